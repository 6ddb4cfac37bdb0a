"""Lines for a person to read."""

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print a line as it is: without markup, colours or breaks of rich's own."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)
