"""A CSV file with a header line, read as strings: columns by name, and where each row stands."""

import csv
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mse_rl.data.csv_format import HEAD, find_separator, fitted, is_blank, long_cells, with_points
from mse_rl.data.files import require_file
from mse_rl.data.labels import listed
from mse_rl.data.raw import Array
from mse_rl.data.splits import Rows
from mse_rl.data.values import plain_number
from mse_rl.errors import InvalidTask

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
        """Say where a row stands: ``line 7 of train.csv``."""
        return f"line {self.lines[row]} of {self.path.name}"


def read_table(path: Path) -> Table:
    """Read a CSV file: UTF-8, a header line with a name for each column, and rows.

    Fields are separated by commas, semicolons, tabs or bars, whichever fits; blank rows, and blank cells
    behind the last column, are left out. Decimal commas become points.

    Raises:
        InvalidTask: the file is missing, no such file, has no rows or too many columns, or its rows do not
            fit its header.
    """
    require_file(path, "a CSV file")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file, long_cells():
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
    except OSError as error:
        raise InvalidTask(f"expected a CSV file, got something else ({error}): mend {path}") from error
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
