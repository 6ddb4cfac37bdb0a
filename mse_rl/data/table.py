"""Rows of numbers and categories as vectors: gaps filled, categories one-hot."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mse_rl.data.raw import Array
from mse_rl.data.values import is_missing, number

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
        """0: vectors have no token ids."""
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
