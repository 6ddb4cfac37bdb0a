"""What one cell of a table says: a number, a gap, or something else."""

from math import nan

MISSING = frozenset(("", "na", "nan", "?"))
"""What stands for no value, in lower case."""


def is_missing(cell: str) -> bool:
    """Tell whether the cell stands for no value."""
    return cell.lower() in MISSING


def number(cell: str) -> float | None:
    """Return the number that a cell holds, NaN where it is missing, or None where it is something else."""
    if is_missing(cell):
        return nan
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000 as a number, others do not
    except ValueError:
        return None
