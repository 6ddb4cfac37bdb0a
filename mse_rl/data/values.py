"""What one cell of a table says: a number, a gap, or something else."""

import re
from math import nan

MISSING = frozenset(("", "na", "nan", "?"))
"""What stands for no value in any column, in lower case."""
GAPS = MISSING | {
    "null",
    "none",
    "nil",
    "n/a",
    "#n/a",
    "<na>",
    "n.a.",
    "\\n",
    ".",
    "-",
    "--",
    "---",
    "–",
    "—",
}
"""What stands for no value among numbers, in lower case; among words these are words."""

_MINUS = "\u2212-"
_BETWEEN = "'\u2019 \u00a0\u2009\u202f"
"""What separates thousands beside commas and points: apostrophes and spaces."""
_CURRENCY = r"(?:[$€£¥₹₽₩]|USD|EUR|GBP|CHF|JPY)?"
_SIGN = rf"([+{_MINUS}]?)"
_DIGITS = rf"([\d.,{_BETWEEN}]*\d[.,]?)"
_WRITTEN = re.compile(rf"{_SIGN}\s?{_CURRENCY}\s?{_SIGN}{_DIGITS}\s?{_CURRENCY}\s?(%?)")


def _digits(point: str, separator: str) -> re.Pattern[str]:
    """Return the pattern of digits with such a decimal point, and thousands so separated or not at all."""
    thousands = rf"[1-9]\d{{0,2}}([{separator}{_BETWEEN}])\d{{3}}(?:\1\d{{3}})*"
    return re.compile(rf"(?:\d*|{thousands})(?:{re.escape(point)}\d*)?")


_POINT, _COMMA = _digits(".", ","), _digits(",", ".")


def is_missing(cell: str) -> bool:
    """Tell whether the cell stands for no value in any column."""
    return cell.lower() in MISSING


def is_gap(cell: str) -> bool:
    """Tell whether the cell stands for no value in a column of numbers."""
    return cell.lower() in GAPS


def plain_number(cell: str) -> float | None:
    """Return the number that a cell holds as programs write it, NaN where it is missing, else None."""
    if is_missing(cell):
        return nan
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000 as a number, others do not
    except ValueError:
        return None


def number(cell: str) -> float | None:
    """Return the number that a cell holds as people write it, NaN for a gap, or None for something else.

    Thousands may be separated and a currency may stand beside it; a percentage is a share; a comma that
    cannot separate thousands is a decimal point.

    >>> [number(cell) for cell in ("2,686", "-$1,200.50", "3,5 €", "1.234,5", "45%")]
    [2686.0, -1200.5, 3.5, 1234.5, 0.45]
    """
    if is_gap(cell):
        return nan
    plain = plain_number(cell)
    return _written(cell) if plain is None else plain


def is_comma_number(cell: str, *, surely: bool) -> bool:
    """Tell whether a cell is a number if a comma is its decimal point, and, if ``surely``, only then."""
    match = _WRITTEN.fullmatch(cell)
    if match is None or not _COMMA.fullmatch(match[3]):
        return False
    return not surely or ("," in cell and not _POINT.fullmatch(match[3]))


def with_point(cell: str) -> str:
    """Return a number whose decimal point is a comma with a point, and without points between thousands.

    >>> with_point("1.234,5 €")
    '1234.5 €'
    """
    return cell.replace(".", "").replace(",", ".")


def _written(cell: str) -> float | None:
    if (match := _WRITTEN.fullmatch(cell)) is None:
        return None
    before, behind, digits, percent = match.groups()
    if before and behind:
        return None
    for pattern, point in ((_POINT, "."), (_COMMA, ",")):
        if pattern.fullmatch(digits):
            kept = "".join(letter for letter in digits if letter.isdecimal() or letter == point)
            size = float(kept.replace(point, ".")) / (100 if percent else 1)
            return -size if before + behind in tuple(_MINUS) else size
    return None
