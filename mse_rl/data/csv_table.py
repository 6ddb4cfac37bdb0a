"""A CSV file as a table of text: its separators, and numbers and gaps as people write them."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO, TextIOWrapper
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from mse_rl.data.files import MOST_DATA_BYTES
from mse_rl.data.raw import Array, listed
from mse_rl.data.split import Rows
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind

SEPARATORS = (",", ";", "\t", "|")
MOST_LETTERS = 10_000_000
"""Letters of one cell."""
HEAD = 2**20
"""Letters at the start of a file by which its separator is found."""
_ROWS = 20


@contextmanager
def long_cells() -> Iterator[None]:
    """Allow cells of ``MOST_LETTERS``: Python's csv module has one bound for all readers, 131,072."""
    before = csv.field_size_limit(MOST_LETTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def find_separator(head: str) -> str:
    """Return what splits the first rows of a file into most fields, the same number in each.

    If nothing does, it is what splits the header, and a comma if nothing splits that.
    """
    widths = {separator: _widths(head, separator) for separator in SEPARATORS}
    return max(SEPARATORS, key=widths.__getitem__)


def fitted(row: list[str], width: int) -> list[str]:
    """Return a row without the blank cells that trailing separators make, behind ``width`` others."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]


def is_blank(row: list[str]) -> bool:
    """Tell whether there is nothing in a row, but for separators."""
    return not any(cell.strip() for cell in row)


def with_points(cells: Array) -> Array:
    """Return the cells (n, columns) of a file with points in its numbers where it has decimal commas.

    It has them if a column of numbers has a comma that can be nothing else. ``2,686`` is then 2.686, and
    1.234 is 1234 in a column where all cells can be read so.
    """
    if not any(_is_comma_column(column, surely=True) for column in cells.T):
        return cells
    cells = cells.copy()
    for column in cells.T:
        if _is_comma_column(column, surely=False):
            column[:] = [cell if is_gap(cell) else with_point(cell) for cell in column]
    return cells


def _is_comma_column(column: Array, *, surely: bool) -> bool:
    if surely and not any("," in cell for cell in column):  # most files, at once
        return False
    if not all(is_gap(cell) or is_comma_number(cell, surely=False) for cell in column):
        return False
    return not surely or any(is_comma_number(cell, surely=True) for cell in column)


def _widths(head: str, separator: str) -> tuple[int, int]:
    """Return the number of fields in each of the first rows (0 if they differ or are one) and the header."""
    reader = csv.reader(StringIO(head, newline=""), delimiter=separator)
    try:
        rows = list(islice((row for row in reader if not is_blank(row)), _ROWS))
    except csv.Error:
        return 0, 0
    if len(head) == HEAD and len(rows) > 1:
        rows.pop()  # it may be cut
    header = len(fitted(rows[0], 0)) if rows else 0
    same = header > 1 and all(len(fitted(row, header)) == header for row in rows)
    return header if same else 0, header


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


_FILE = FileKind("a CSV file", InvalidTask, MOST_DATA_BYTES, advice="mend it")
MOST_COLUMNS = 100_000
"""More are hardly a table, and take a network of hundreds of megabytes."""


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file.

    Args:
        path: where they were read.
        names: of the columns.
        cells: strings (n, columns), without white space around them.
        lines: where each row ends in the file, counted from 1 (n,).
    """

    path: Path
    names: tuple[str, ...]
    cells: Array
    lines: Array

    def columns(self, names: Iterable[str]) -> Array:
        """Return the cells (n, k) of k columns."""
        return self.cells[:, [self._places[name] for name in names]]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def take(self, rows: Rows) -> "Table":
        """Return some of the rows."""
        return replace(self, cells=self.cells[rows], lines=self.lines[rows])

    def place(self, row: int) -> str:
        """Return where a row stands: ``line 7 of train.csv``."""
        return f"line {self.lines[row]} of {self.path.name}"


def read_table(path: Path) -> Table:
    """Read a CSV file: UTF-8, a header line with a name for each column, and rows.

    Fields are separated by commas, semicolons, tabs or bars, whichever fits; blank rows, and blank cells
    behind the last column, are left out. Decimal commas become points.

    Raises:
        InvalidTask: the file is missing, no such file, has no rows or too many columns, or its rows do not
            fit its header.
    """
    try:
        with (
            _FILE.open(path) as content,
            TextIOWrapper(content, encoding="utf-8-sig", newline="") as file,
            long_cells(),
        ):
            separator = find_separator(file.read(HEAD))
            file.seek(0)
            reader = csv.reader(file, delimiter=separator, strict=True)
            try:
                names = _names(path, fitted(next((row for row in reader if not is_blank(row)), []), 0))
                rows, lines = _rows(path, names, reader)
            except csv.Error as error:
                raise InvalidTask(
                    f"expected a CSV file, got something else ({error}) in line {reader.line_num}: "
                    f"mend {path}"
                ) from error
    except UnicodeDecodeError as error:
        raise InvalidTask(f"expected UTF-8, got other bytes ({error.reason}): convert {path}") from error
    if not rows:
        raise InvalidTask(f"expected rows below the header of {path}, got none: add some")
    return Table(path, names, with_points(np.array(rows, dtype=object)), np.array(lines))


def _names(path: Path, header: list[str]) -> tuple[str, ...]:
    if len(header) > MOST_COLUMNS:
        raise InvalidTask(
            f"expected at most {MOST_COLUMNS:,} columns, got {len(header):,} in {path}: "
            "leave some out, or give the numbers as an .npz file"
        )
    names = tuple(" ".join(name.split()) for name in header)
    if not any(names):
        raise InvalidTask(
            f"expected the names of the columns in the first line of {path}, got none: add them"
        )
    if len(names) == 1:
        raise InvalidTask(
            f"expected columns of inputs and a label, got only {listed(names)}: separate them by commas "
            f"in {path}"
        )
    if all(plain_number(name) is not None for name in names):
        raise InvalidTask(
            f"expected the names of the columns in the first line of {path}, got numbers: add a header line"
        )
    if "" in names:
        raise InvalidTask(
            f"expected a name for each column of {path}, got none for column {names.index('') + 1}: "
            "name it, or remove it (pandas leaves its row numbers out with index=False)"
        )
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InvalidTask(
            f"expected columns of different names in {path}, got two {listed(twice)}: rename one"
        )
    return names


def _rows(path: Path, names: tuple[str, ...], reader: Any) -> tuple[list[list[str]], list[int]]:
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        if is_blank(row):
            continue
        row = fitted(row, len(names))
        if len(row) != len(names):
            raise InvalidTask(
                f"expected {len(names)} fields in each row, as in the header, got {len(row)} "
                f"in line {reader.line_num} of {path}: add or remove separators, or quote what holds them"
            )
        rows.append([cell.strip() for cell in row])
        lines.append(reader.line_num)
    return rows, lines
