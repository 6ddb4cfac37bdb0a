"""Token ids of the user's own, moved to make room for UNKNOWN."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mse_rl.architecture import PADDING, UNKNOWN
from mse_rl.data.checks import check_numbers
from mse_rl.data.raw import Array
from mse_rl.data.tokens import SPECIAL_NAMES
from mse_rl.errors import InvalidTask

MOST_IDS = 100_000
"""Ids of a file stay below this; larger whole numbers are hardly words."""


@dataclass(frozen=True)
class IdEncoder:
    """Reads ids (n, T) int64, of which 0 is padding and 1, 2, … are words."""

    def fit(self, rows: Array) -> "IdEncoding":
        """Return the largest id and the length T of the training samples."""
        return IdEncoding(int(rows.max()), rows.shape[1])


@dataclass(frozen=True)
class IdEncoding:
    """Id w becomes w + 1, as 1 is UNKNOWN; 0 stays PADDING.

    Args:
        largest: ids above it become UNKNOWN.
        length: longer samples are cut and shorter ones padded at the end to this many tokens T.
    """

    largest: int
    length: int

    @property
    def vocabulary(self) -> int:
        """Number of token ids: PADDING, UNKNOWN, and one for each of 1..largest."""
        return self.largest + 2

    @property
    def names(self) -> tuple[str, ...]:
        """The ids of the user, behind padding and unknown."""
        return (*SPECIAL_NAMES, *map(str, range(1, self.largest + 1)))

    def __call__(self, rows: Array) -> Array:
        """Return token ids (n, T) int64; a sample without a word is one UNKNOWN."""
        rows = rows[:, : self.length]
        words = np.where(rows == 0, PADDING, np.where(rows > self.largest, UNKNOWN, rows + 1))
        out = np.full((len(rows), self.length), PADDING, dtype=np.int64)
        out[:, : rows.shape[1]] = words
        out[(out == PADDING).all(axis=1), 0] = UNKNOWN
        return out

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``largest`` and ``length``."""
        return {"reads": "ids", "largest": self.largest, "length": self.length}


@dataclass(frozen=True)
class KnownIds:
    """Ids as a task that was made by hand has them: 0 is PADDING and 1 UNKNOWN already.

    Args:
        vocabulary: number of token ids; those from here on become UNKNOWN.
        length: as in ``IdEncoding``.
    """

    vocabulary: int
    length: int

    @property
    def names(self) -> None:
        """None: they mean what their number says."""
        return None

    def __call__(self, rows: Array) -> Array:
        """Return token ids (n, T) int64."""
        rows = rows[:, : self.length]
        out = np.full((len(rows), self.length), PADDING, dtype=np.int64)
        out[:, : rows.shape[1]] = np.where(rows < self.vocabulary, rows, UNKNOWN)
        return out

    def record(self) -> dict[str, Any]:
        """Return ``reads``, ``vocabulary`` and ``length``."""
        return {"reads": "token ids", "vocabulary": self.vocabulary, "length": self.length}


def read_ids(x_train: Array, x_test: Array) -> tuple[Array, Array]:
    """Return both as ids (n, T) int64; larger ones in ``x_test``, unknown anyway, are 100,000.

    Raises:
        InvalidTask: not whole numbers from 0 on, or too large in ``x_train``.
    """
    train, test = ids_of("x_train", x_train), ids_of("x_test", x_test)
    if train.max() >= MOST_IDS:
        raise InvalidTask(
            f"expected token ids below {MOST_IDS:,} in x_train, got {x_train.max()}: "
            "set input to vector, or number the words 1, 2, …"
        )
    return train, test


def ids_of(key: str, x: Array) -> Array:
    """Return the array called ``key`` as ids (n, T) int64; those beyond all vocabularies are 100,000.

    Raises:
        InvalidTask: not whole numbers from 0 on.
    """
    check_numbers(key, x, "tokens")
    with np.errstate(over="ignore"):
        values = x.astype(np.float64)
    wrong = x[~np.isfinite(values) | (values < 0) | (values != np.floor(values))]
    if len(wrong):
        raise InvalidTask(
            f"expected token ids in {key}, whole numbers from 0 on, got {len(wrong):,} others, "
            f"the first {wrong[0]}: set input to vector, or number the words 1, 2, …"
        )
    return np.minimum(values, MOST_IDS).astype(np.int64)
