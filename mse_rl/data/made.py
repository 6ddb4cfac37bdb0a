"""Tasks that are made on the spot, and need no download: harder than scikit-learn's small files."""

import numpy as np
from numpy.typing import NDArray

from mse_rl.config import TaskConfig
from mse_rl.data.bundled import digits
from mse_rl.data.raw import RawData

SUMS_TRAIN, SUMS_TEST = 1_500, 1_000
HASTIE_TRAIN, HASTIE_TEST = 1_250, 2_000


def digit_sums(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 8, 16) of two of scikit-learn's handwritten digits; the label is their sum, 0..18.

    Pairs are drawn with equal chances for every sum. Those of the test split are made of digits that are in
    no training image.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    raw, rng = digits(argument, config), np.random.default_rng(0)
    x_train, y_train = _pairs(raw.x_train, raw.y_train, SUMS_TRAIN, rng)
    x_test, y_test = _pairs(raw.x_test, raw.y_test, SUMS_TEST, rng)
    return RawData(x_train, y_train, x_test, y_test, "image")


def hastie(argument: str, config: TaskConfig) -> RawData:
    """Make vectors (n, 10) of standard normal numbers; the label says whether their squares sum to over 9.34.

    Hastie, Tibshirani and Friedman, 2009, The Elements of Statistical Learning, example 10.2.
    """
    x = np.random.default_rng(0).standard_normal((HASTIE_TRAIN + HASTIE_TEST, 10))
    y = (np.square(x).sum(axis=1) > 9.34).astype(np.int64)
    train, test = slice(HASTIE_TRAIN), slice(HASTIE_TRAIN, None)
    return RawData(x[train], y[train], x[test], y[test], "vector")


def _pairs(
    images: NDArray[np.uint8], labels: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    sums = rng.integers(19, size=count)
    left = rng.integers(np.maximum(0, sums - 9), np.minimum(9, sums) + 1)
    halves = []
    for digit in (left, sums - left):
        chosen = np.empty(count, dtype=np.int64)
        for value in range(10):
            chosen[digit == value] = rng.choice(np.flatnonzero(labels == value), (digit == value).sum())
        halves.append(images[chosen])
    return np.concatenate(halves, axis=3), sums
