"""Lines for a person to read."""

from rich.console import Console


def say(console: Console, line: str) -> None:
    """Print a line as it is: without markup, colours or breaks of rich's own."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Return a time with two significant digits, in the unit that suits it.

    >>> [duration(seconds) for seconds in (0.0312, 23.4, 400, 9000)]
    ['0.031 s', '23 s', '6.7 min', '2.5 h']
    """
    size, unit = next(
        (size, unit)
        for size, unit in ((3600, "h"), (60, "min"), (1, "s"))
        if seconds >= 1.5 * size or size == 1
    )
    value = f"{seconds / size:.2g}"
    return f"{float(value):g} {unit}"
