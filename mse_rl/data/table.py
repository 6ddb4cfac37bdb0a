"""Tables: what their columns hold, and how they are encoded."""

from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np

from mse_rl.data.csv_table import Table, is_gap, is_missing, number
from mse_rl.data.raw import Array
from mse_rl.data.tokens import tokenise
from mse_rl.errors import InvalidTask

MOST_CATEGORIES = 1_000
"""All categories of all columns together are at most so many inputs."""
_WORDS = 3
_FEW = 20


@dataclass(frozen=True)
class Columns:
    """Names of columns by what they hold, in the order of the file."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    text: tuple[str, ...]
    codes: tuple[str, ...]
    identifiers: tuple[str, ...]


def sort_columns(train: Table, names: tuple[str, ...]) -> Columns:
    """Sort the columns ``names`` by what their cells are.

    - A column called text is text.
    - It is numeric if all cells are numbers or gaps.
    - It is categorical if it has few different values, at most 20 or a twentieth of the rows, and these are
      short (most cells have less than three words) or come back (five times on average).
    - It is numeric, too, if most cells that are no gaps are numbers: the others become gaps.
    - It holds identifiers if it has another word in every row.
    - It holds codes if most cells are shorter than three words and have a digit: dates, measures with units.
    - Else it is text.
    """
    kinds = {name: _kind(name, train.columns([name])[:, 0]) for name in names}
    return Columns(*(tuple(name for name in names if kinds[name] == kind) for kind in _KINDS))


def check_cells(train: Table, test: Table, columns: Columns) -> tuple[str, ...]:
    """Check that numeric columns hold finite numbers, and that the categories are not too many inputs.

    Returns:
        Notes on cells of numeric columns that are read as gaps, as they are no numbers.

    Raises:
        InvalidTask: a number is infinite, most cells are no numbers, or the categories are too many; the cell
            or the column with most categories is named.
    """
    notes = [_check_numeric(table, name) for name in columns.numeric for table in (train, test)]
    counts = {name: len(set(train.columns([name])[:, 0])) for name in columns.categorical}
    if sum(counts.values()) > MOST_CATEGORIES:
        name = max(counts, key=counts.__getitem__)
        raise InvalidTask(
            f"expected at most {MOST_CATEGORIES:,} categories in all columns, got {sum(counts.values()):,}, "
            f"{counts[name]:,} of them in column {name}: group its values or remove it"
        )
    return tuple(note for note in dict.fromkeys(notes) if note)


_KINDS = ("numeric", "categorical", "text", "code", "identifier")


def _kind(name: str, cells: Array) -> str:
    if name.lower() == "text":
        return "text"
    if all(number(cell) is not None for cell in cells) and _has_numbers(cells):
        return "numeric"
    different = len(set(cells))
    long = 2 * sum(len(cell.split()) >= _WORDS for cell in cells) > len(cells)
    few = different <= max(_FEW, len(cells) / 20)
    if few and (not long or 5 * different <= len(cells)):
        return "categorical"
    if _mostly_numbers(cells):
        return "numeric"
    named = different == len(cells) and all(len(tokenise(cell)) == 1 for cell in cells)
    return "identifier" if named else "code" if _are_codes(cells) else "text"


def _has_numbers(cells: Array) -> bool:
    """Return whether there is a number among numbers and gaps, or nothing that could be a word."""
    return not all(map(is_gap, cells)) or all(map(is_missing, cells))


def _mostly_numbers(cells: Array) -> bool:
    known = [cell for cell in cells if not is_gap(cell)]
    return 2 * sum(number(cell) is not None for cell in known) > len(known)


def _are_codes(cells: Array) -> bool:
    known = [cell for cell in cells if not is_gap(cell)]
    return 2 * sum(len(cell.split()) < _WORDS and any(map(str.isdigit, cell)) for cell in known) > len(known)


def _check_numeric(table: Table, name: str) -> str:
    """Return a note on what is read as gaps, or nothing."""
    cells = table.columns([name])[:, 0]
    values = [number(cell) for cell in cells]
    words = [row for row, value in enumerate(values) if value is None]
    wrong = [row for row, value in enumerate(values) if value is not None and isinf(value)]
    if words and not _mostly_numbers(cells):
        wrong += words
    if wrong:
        row = min(wrong)
        raise InvalidTask(
            f"expected finite numbers in column {name}, got {cells[row][:40]!r} in {table.place(row)}: "
            "correct it, or leave it empty if it is not known"
        )
    if not words:
        return ""
    return (
        f"read as gaps, as they are no numbers: {len(words):,} cells of column {name}, "
        f"the first {cells[words[0]][:40]!r} in {table.place(words[0])}"
    )


Means = tuple[tuple[str, float], ...]
Categories = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class TableEncoder:
    """Reads strings (n, numeric + categorical columns).

    Args:
        numeric: names of the columns of numbers.
        categorical: names of the columns of categories.
    """

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]

    def fit(self, rows: Array) -> "TableEncoding":
        """Return the means and categories of the training samples."""
        numbers, rest = _numbers(rows[:, : len(self.numeric)]), rows[:, len(self.numeric) :]
        means = tuple(_mean(column) for column in numbers.T)
        categories = tuple(tuple(sorted(set(map(_category, column)))) for column in rest.T)
        return TableEncoding(
            tuple(zip(self.numeric, means, strict=True)),
            tuple(zip(self.categorical, categories, strict=True)),
        )


@dataclass(frozen=True)
class TableEncoding:
    """Numbers as they are, then for each categorical column a 1 at the category among zeros.

    Args:
        means: name and mean of each numeric column; the mean fills gaps.
        categories: name and categories of each categorical column, of which ``""`` is a gap; any other
            value is all zeros.
    """

    means: Means
    categories: Categories

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
        numbers, rest = _numbers(rows[:, : len(self.means)]), rows[:, len(self.means) :]
        filled = np.where(np.isnan(numbers), [mean for _, mean in self.means], numbers)
        hot = [_one_hot(column, known) for column, (_, known) in zip(rest.T, self.categories, strict=True)]
        return np.concatenate([filled, *hot], axis=1)

    def record(self) -> dict[str, Any]:
        """Return ``reads``, and ``numeric`` and ``categorical`` columns in the order of the features."""
        categorical = {name: list(known) for name, known in self.categories}
        return {"reads": "table", "numeric": dict(self.means), "categorical": categorical}


def _numbers(cells: Array) -> Array:
    """Return the numbers (n, k) float64, NaN where a cell is missing or no number."""
    values = [number(cell) for cell in cells.flat]
    return np.array(values, dtype=np.float64).reshape(cells.shape)  # None becomes NaN


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
