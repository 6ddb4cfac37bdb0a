"""Lines for a person to read."""

import re

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print a line as it is: without markup, colours or breaks of rich's own."""
    console.print(with_flags(line), markup=False, highlight=False, soft_wrap=True)


def with_flags(message: str) -> str:
    """Return a message with its settings as flags. The package writes them in backquotes.

    >>> with_flags("raise `memory_budget` or lower `batch_size`")
    'raise --memory-budget or lower --batch-size'
    """
    return re.sub(r"`([a-z_]+)`", lambda match: "--" + match[1].replace("_", "-"), message)
