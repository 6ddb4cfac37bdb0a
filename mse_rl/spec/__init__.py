"""What describes a child: architecture, families, search space. No torch here."""
