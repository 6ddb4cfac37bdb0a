"""How a CSV file is written: what separates its fields, and what its decimal point is."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import islice

from mse_rl.data.raw import Array
from mse_rl.data.values import is_comma_number, is_gap, with_point

SEPARATORS = (",", ";", "\t", "|")
MOST_LETTERS = 10_000_000
"""Letters of one cell."""
HEAD = 2**20
"""Letters at the start of a file by which its separator is found."""
_ROWS = 20


@contextmanager
def long_cells() -> Iterator[None]:
    """Let cells have ``MOST_LETTERS``: Python's csv module has one bound for all readers, 131,072."""
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
