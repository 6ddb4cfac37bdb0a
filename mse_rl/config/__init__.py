"""The settings of runs: frozen, complete, checked when they are made. No torch here."""
