"""What the cells of a table say: gaps, numbers and dates as people write them."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from math import nan
from typing import Any

from dateutil.parser import parse, parserinfo  # type: ignore[import-untyped]

MISSING = frozenset(("", "na", "nan", "?"))
"""What stands for no value in any column, in lower case."""
GAPS = MISSING | {
    *("null", "none", "nil", "missing", "unknown", "not available", "no data", "nat"),
    *("n/a", "n/d", "#n/a", "<na>", "n.a.", "n.d.", "n.k.", "k.a.", "nd"),
    *("\\n", ".", "..", "...", "…", "-", "--", "---", "–", "—", "*"),
    *("#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"),
}
"""What stands for no value among numbers, in lower case; among words these are words."""

_MINUS = "\u2212\u2013-"
_BETWEEN = "'\u2019 \u00a0\u2009\u202f"
"""What separates thousands beside commas and points: apostrophes and spaces."""
_CURRENCY = (
    r"(?:[A-Z]{0,3}[$€£¥₹₽₩₺₫₪₴฿₱₿₦₨]|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|BRL|SEK|NOK|DKK|PLN|CZK|RUB|"
    r"AED|ARS|CLP|COP|EGP|HKD|HUF|IDR|ILS|KRW|MXN|MYR|NGN|NZD|PHP|PKR|RON|SAR|SGD|THB|TRY|TWD|UAH|VND|ZAR|"
    r"Rs\.?|kr\.?|zł|Kč)?"
)
_SIGN = rf"([+{_MINUS}]?)"
_WRITTEN = re.compile(
    rf"(?:[<>~≈≤≥]=?\s?)?{_SIGN}\s?{_CURRENCY}\s?{_SIGN}([\d.,{_BETWEEN}]*\d[.,]?)([eE][+-]?\d+)?([kKMB](?![^\W\d_]))?"
    rf"\s?{_CURRENCY}\s?(%?)\s?([^\W\d_]\D{{0,11}}|[°+]\D{{0,11}})?"
)
"""Signs, digits, exponent, thousands or millions, a percent sign, a unit."""
_BELOW_ZERO = re.compile(rf"(\D{{0,4}})\((.+)\)|(.*\d)[{_MINUS}]")
"""A negative number as accountants and SAP write it: (1,234), 1,234-."""
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "%": 0.01}


def _digits(point: str, separator: str) -> re.Pattern[str]:
    """Return the pattern of digits with such a decimal point, and thousands so separated or not at all."""
    thousands = rf"[1-9]\d{{0,2}}([{separator}{_BETWEEN}])(?:\d{{2,3}}\1)*\d{{3}}"  # 12,34,567 in India
    return re.compile(rf"(?:\d*|{thousands})(?:{re.escape(point)}\d*)?")


_POINT, _COMMA = _digits(".", ","), _digits(",", ".")
_POINTED = re.compile(rf"[{_MINUS}]?(?:[1-9]\d{{0,2}}(?:\.\d{{3}})+|\d{{1,3}})")
"""A whole number with points between thousands, if it needs one."""
_PERHAPS_COMMAS = re.compile(r",|\.[^\0]*\.")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY, _YEAR = r"\d{1,2}(?:st|nd|rd|th)?", r"(?:\d{4}|\d{2})"
_DATE = re.compile(
    r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?"
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{4}[-/]\d{2}"
    rf"|(\d{{1,2}})[-/.](\d{{1,2}})[-/.]{_YEAR}|{_DAY}[-. ]{{1,2}}{_MONTH}[-, ]{{1,2}}{_YEAR}"
    rf"|{_MONTH} {_DAY},? \d{{4}}|{_MONTH}[- ]\d{{4}}"
    rf"|{_MONTH} {{1,2}}{_DAY} \d{{1,2}}:\d\d:\d\d(?: (?:[+-]\d{{4}}|[a-z]{{3,4}}))? \d{{4}})"
    r"(?:(?:,? |T)\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?(?: ?(?:z|utc|gmt|[+-]\d\d:?\d\d))?)?",
    re.IGNORECASE,
)
"""A date and perhaps a time of day; the groups are day and month, or month and day."""
_TIME = re.compile(r"(\d{1,4}):(\d{1,2})(?::(\d{1,2}(?:\.\d+)?))?(?: ?([ap])\.?m\.?)?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1)


class _Years(parserinfo):  # type: ignore[misc]
    """Years of two digits are from 1969 to 2068, whatever the year is now."""

    def convertyear(self, year: int, century_specified: bool = False) -> int:
        return year if century_specified or year > 99 else year + (1900 if year > 68 else 2000)


_YEARS = _Years()


@dataclass(frozen=True)
class Writing:
    """How the numbers of a column are written, where a cell alone does not tell.

    Args:
        comma: 1,234 is 1.234, and 1.234 is 1234.
        day_first: 1/2/2024 is in February.
        unit: stands behind them.
    """

    comma: bool = False
    day_first: bool = False
    unit: str = ""

    def record(self) -> dict[str, Any]:
        """Return what is not as usual, ready for JSON."""
        return {key: value for key, value in asdict(self).items() if value}


USUAL = Writing()


def is_missing(cell: str) -> bool:
    """Return whether the cell stands for no value in any column."""
    return cell.lower() in MISSING


def is_gap(cell: str) -> bool:
    """Return whether the cell stands for no value in a column of numbers."""
    return cell.lower() in GAPS


def plain_number(cell: str) -> float | None:
    """Return the number that a cell holds as programs write it, NaN where it is missing, else None."""
    try:
        return None if "_" in cell else float(cell)  # Python reads 1_000 as a number, others do not
    except ValueError:
        return nan if is_missing(cell) else None


def number(cell: str, writing: Writing = USUAL) -> float | None:
    """Return the number that a cell holds as people write it, NaN for a gap, or None for something else.

    Thousands may be separated and a currency may stand beside it; a percentage is a share; a comma that
    cannot separate thousands is a decimal point. A date is a number of days, a time of hours.

    >>> [number(cell) for cell in ("2,686", "-$1,200.50", "3,5 €", "1.234,5", "45%", "(7)", "1970-01-02")]
    [2686.0, -1200.5, 3.5, 1234.5, 0.45, -7.0, 1.0]
    """
    plain = None if writing.comma else plain_number(cell)
    if plain is not None:
        return plain
    if is_gap(cell):
        return nan
    written = _written(cell, writing)
    return _days(cell, writing.day_first) if written is None else written


def _written(cell: str, writing: Writing) -> float | None:
    if below := _BELOW_ZERO.fullmatch(cell):
        cell = "-" + "".join(part or "" for part in below.groups())
    if (match := _WRITTEN.fullmatch(cell)) is None:
        return None
    before, behind, digits, exponent, scale, percent, unit = match.groups("")
    if (before and behind) or unit.strip() not in ("", writing.unit):
        return None
    for pattern, point in ((_COMMA, ","), (_POINT, "."))[:: 1 if writing.comma or exponent else -1]:
        if pattern.fullmatch(digits):
            kept = "".join(letter for letter in digits if letter.isdecimal() or letter == point)
            size = float(kept.replace(point, ".") + exponent) * _SCALES.get(scale, 1)
            size = size / 100 if percent else size
            return -size if before + behind in tuple(_MINUS) else size
    return None


@lru_cache(2**16)
def _days(cell: str, day_first: bool) -> float | None:
    """Return the days since 1970 of a date, the hours of a time, or None for something else."""
    if time := _TIME.fullmatch(cell):
        hours, minutes, seconds, half = time.groups()
        hour = int(hours) % 12 + 12 * (half in "pP") if half else int(hours)
        return hour + int(minutes) / 60 + float(seconds or 0) / 3600
    if not _DATE.fullmatch(cell):
        return None
    try:
        day_first = day_first and not cell[:4].isdecimal()  # what begins with the year goes on with the month
        found: datetime = parse(cell, _YEARS, dayfirst=day_first, ignoretz=True, default=_EPOCH)
    except (ValueError, OverflowError):
        return None
    return (found - _EPOCH).total_seconds() / 86400


def has_commas(cells: Sequence[str]) -> bool:
    """Return whether a column is one of numbers with decimal commas or with points between thousands, and can
    be nothing else.
    """
    if not _PERHAPS_COMMAS.search("\0".join(cells)):  # most columns, at once
        return False
    numbers = [_WRITTEN.fullmatch(cell) for cell in cells if not is_gap(cell)]
    return all(match and _COMMA.fullmatch(match[3]) for match in numbers) and any(map(_is_comma, numbers))


def _is_comma(match: re.Match[str] | None) -> bool:
    """Return whether a number can only have a decimal comma, or points between thousands."""
    return match is not None and (not _POINT.fullmatch(match[3]) or ("," in match[3] and bool(match[4])))


def _are_pointed(cells: Sequence[str]) -> bool:
    """Return whether cells are whole numbers, of which those from 1,000 on have points."""
    return all(map(_POINTED.fullmatch, cells)) and len({"." in cell for cell in cells}) == 2


def writing_of(cells: Sequence[str], *, commas: bool) -> Writing:
    """Return how the numbers or dates of a column are written.

    Args:
        cells: of the column.
        commas: whether there are decimal commas in the file.
    """
    known = [cell for cell in cells if not is_gap(cell)]
    if _are_pointed(known):
        return Writing(comma=True)
    if not commas and all(plain_number(cell) is not None for cell in known):  # most columns
        return USUAL
    dates = [date for cell in known if (date := _DATE.fullmatch(cell))]
    if 2 * len(dates) > len(known):
        return Writing(day_first=_is_day_first(dates))
    numbers = [match for cell in known if (match := _WRITTEN.fullmatch(cell))]
    units = [unit.strip() for match in numbers if (unit := match[7])]
    points = any(not _COMMA.fullmatch(match[3]) for match in numbers)
    comma = not points and (commas or any(map(_is_comma, numbers)))
    return Writing(comma=comma, unit=max(set(units), key=units.count) if units else "")


def _is_day_first(dates: Sequence[re.Match[str]]) -> bool:
    """Return whether dates begin with the day: one is no month, or all are written with points."""
    pairs = [(int(date[1]), int(date[2])) for date in dates if date[1]]
    if any(first > 12 for first, _ in pairs) or any(second > 12 for _, second in pairs):
        return any(first > 12 for first, _ in pairs)
    return bool(pairs) and all("." in date[0] for date in dates)
