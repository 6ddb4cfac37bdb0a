"""Tables: what their columns hold, and how they are encoded."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf, nan
from typing import Any

import numpy as np

from mse_rl.data.cells import USUAL, Writing, has_commas, is_gap, is_missing, number, writing_of
from mse_rl.data.csv_table import Table
from mse_rl.data.raw import Array
from mse_rl.data.tokens import tokenise
from mse_rl.errors import InvalidTask, counted

MOST_CATEGORIES = 1_000
"""All categories of all columns together are at most so many inputs."""
TEXT_WORDS = 6
"""Words that a cell of text has on average; shorter ones are names or codes."""
_WORDS = 3
_FEW = 20
_OFTEN = 5
_NAMES_OF_ROWS = re.compile(
    r"(?i:unnamed: \d+|index|#|no\.?|nr\.?|row|rownames?)|(?:.*[\W_])?(?i:id)|.*[a-z](?:Id|ID)"
)
"""What a column is called that counts or names the rows."""


@dataclass(frozen=True)
class Columns:
    """Names of columns by what they hold, in the order of the file.

    Args:
        numeric: numbers, dates and times; ``writings`` has how they are written.
        categorical: a few different values.
        text: sentences.
        codes: words or codes that hardly come again.
        identifiers: names or numbers of the rows.
        writings: of the numeric columns.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    text: tuple[str, ...]
    codes: tuple[str, ...]
    identifiers: tuple[str, ...]
    writings: Mapping[str, Writing]


def sort_columns(train: Table, names: tuple[str, ...]) -> Columns:
    """Sort the columns ``names`` by what their cells are.

    - A column called text is text.
    - It holds identifiers if it is called so (id, index, no name at all) and its cells are different numbers.
    - It is numeric if all cells are numbers or gaps.
    - It is categorical if it has few different values, at most 20 or a twentieth of the rows, and these are
      short (most cells have less than three words) or come back (five times on average).
    - It is numeric, too, if most cells that are no gaps are numbers: the others become gaps.
    - It is categorical, too, if values come back five times on average.
    - It holds identifiers if it has another word in every row.
    - It is text if cells have six words on average, and holds codes (names, measures) if they have less.
    """
    cells = {name: train.column(name) for name in names}
    commas = any(map(has_commas, cells.values()))
    writings = {name: writing_of(column, commas=commas) for name, column in cells.items()}
    kinds = {name: _kind(name, column, writings[name]) for name, column in cells.items()}
    sort = {kind: tuple(name for name in names if kinds[name] == kind) for kind in _KINDS}
    return Columns(**sort, writings={name: writings[name] for name in sort["numeric"]})


def check_cells(train: Table, test: Table, columns: Columns) -> tuple[str, ...]:
    """Check that numeric columns hold finite numbers, and that the categories are not too many inputs.

    Returns:
        Notes on cells of numeric columns that are read as gaps, as they are no numbers.

    Raises:
        InvalidTask: a number is infinite, most cells are no numbers, or the categories are too many; the cell
            or the column with most categories is named.
    """
    notes = [_check_numeric((train, test), name, columns.writings[name]) for name in columns.numeric]
    counts = {name: len(set(train.column(name))) for name in columns.categorical}
    if sum(counts.values()) > MOST_CATEGORIES:
        name = max(counts, key=counts.__getitem__)
        raise InvalidTask(
            f"expected at most {MOST_CATEGORIES:,} categories in all columns, got {sum(counts.values()):,}, "
            f"{counts[name]:,} of them in column {name}: group its values or remove it"
        )
    return tuple(note for note in notes if note)


_KINDS = ("numeric", "categorical", "text", "codes", "identifiers")


def _kind(name: str, cells: list[str], writing: Writing) -> str:
    if name.lower() == "text":
        return "text"
    different = len(set(cells))
    if different == len(cells) and _NAMES_OF_ROWS.fullmatch(name) and all(map(str.isdecimal, cells)):
        return "identifiers"
    known = [cell for cell in cells if not is_gap(cell)]
    numbers = sum(number(cell, writing) is not None for cell in known)
    if numbers == len(known) and (known or all(map(is_missing, cells))):
        return "numeric"
    long = 2 * sum(len(cell.split()) >= _WORDS for cell in cells) > len(cells)
    few, often = different <= max(_FEW, len(cells) / 20), _OFTEN * different <= len(cells)
    if few and (not long or often):
        return "categorical"
    if 2 * numbers > len(known):
        return "numeric"
    if often and not long:
        return "categorical"
    if different == len(cells) and all(len(tokenise(cell)) == 1 for cell in cells):
        return "identifiers"
    words = sum(sum(map(str.isalpha, tokenise(cell))) for cell in known)
    return "text" if words >= TEXT_WORDS * len(known) else "codes"


def _check_numeric(tables: tuple[Table, Table], name: str, writing: Writing) -> str:
    """Return a note on what is read as gaps, or nothing."""
    words: list[str] = []
    for table in tables:
        cells = table.column(name)
        values = [number(cell, writing) for cell in cells]
        others = [row for row, value in enumerate(values) if value is None]
        wrong = [row for row, value in enumerate(values) if value is not None and isinf(value)]
        if 2 * len(others) >= sum(not is_gap(cell) for cell in cells):
            wrong += others
        if wrong:
            row = min(wrong)
            raise InvalidTask(
                f"expected finite numbers in column {name}, got {cells[row][:40]!r} in {table.place(row)}: "
                "correct it, or leave it empty if it is not known"
            )
        words += [f"{cells[row][:40]!r} in {table.place(row)}" for row in others]
    if not words:
        return ""
    return (
        f"read as gaps, as they are no numbers: {counted(len(words), 'cell')} of column {name}, as {words[0]}"
    )


Means = tuple[tuple[str, float], ...]
Categories = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class TableEncoder:
    """Reads strings (n, numeric + categorical columns).

    Args:
        numeric: names of the columns of numbers.
        categorical: names of the columns of categories.
        writings: how numbers are written in the columns that are named.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    writings: Mapping[str, Writing] = field(default_factory=dict)

    def fit(self, rows: Array) -> "TableEncoding":
        """Return the means and categories of the training samples."""
        numbers = _numbers(rows[:, : len(self.numeric)], self.numeric, self.writings)
        rest = rows[:, len(self.numeric) :]
        means = tuple(_mean(column) for column in numbers.T)
        categories = tuple(tuple(sorted(set(map(_category, column)))) for column in rest.T)
        return TableEncoding(
            tuple(zip(self.numeric, means, strict=True)),
            tuple(zip(self.categorical, categories, strict=True)),
            self.writings,
        )


@dataclass(frozen=True)
class TableEncoding:
    """Numbers as they are, then for each categorical column a 1 at the category among zeros.

    Args:
        means: name and mean of each numeric column; the mean fills gaps.
        categories: name and categories of each categorical column, of which ``""`` is a gap; any other
            value is all zeros.
        writings: how numbers are written in the columns that are named.
    """

    means: Means
    categories: Categories
    writings: Mapping[str, Writing] = field(default_factory=dict)

    @property
    def vocabulary(self) -> int:
        """Zero: vectors have no token ids."""
        return 0

    @property
    def names(self) -> tuple[str, ...]:
        """Numeric columns, then for each category its column and itself."""
        hot = (f"{column}={value}" for column, known in self.categories for value in known)
        return (*(name for name, _ in self.means), *hot)

    def __call__(self, rows: Array) -> Array:
        """Return vectors (n, F) float64."""
        names = [name for name, _ in self.means]
        numbers, rest = _numbers(rows[:, : len(names)], names, self.writings), rows[:, len(names) :]
        filled = np.where(np.isnan(numbers), [mean for _, mean in self.means], numbers)
        hot = [_one_hot(column, known) for column, (_, known) in zip(rest.T, self.categories, strict=True)]
        return np.concatenate([filled, *hot], axis=1)

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``numeric`` and ``categorical`` columns in the order of the features, and how
        numbers are ``written`` where that is not as usual.
        """
        categorical = {name: list(known) for name, known in self.categories}
        written = {name: record for name, way in self.writings.items() if (record := way.record())}
        record = {"reads": "table", "numeric": dict(self.means), "categorical": categorical}
        return record | ({"written": written} if written else {})


def _numbers(cells: Array, names: Sequence[str], writings: Mapping[str, Writing]) -> Array:
    """Return the numbers (n, k) float64 of columns, NaN where a cell is missing or no number."""
    out = np.empty(cells.shape)
    for values, column, name in zip(out.T, cells.T, names, strict=True):
        writing = writings.get(name, USUAL)
        values[:] = [_value(cell, writing) for cell in column]
    return out


def _value(cell: str | float, writing: Writing) -> float:
    value = cell if isinstance(cell, float) else number(cell, writing)
    return nan if value is None else value


def _mean(column: Array) -> float:
    known = column[~np.isnan(column)]
    return float((known / max(len(known), 1)).sum())  # divided first: the sum could be too large


def _category(cell: str) -> str:
    return "" if is_missing(cell) else cell


def _one_hot(cells: Array, known: tuple[str, ...]) -> Array:
    place = {category: i for i, category in enumerate(known)}
    places = np.array([place.get(_category(cell), len(known)) for cell in cells])
    hot: Array = np.eye(len(known) + 1, len(known))[places]  # (n, categories); the last row is all zeros
    return hot
