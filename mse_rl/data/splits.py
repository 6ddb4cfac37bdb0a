"""Stratified draws: every class gives its share, and the total is exact."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.intp]


def stratified_split(
    labels: NDArray[np.int64], total: int, *, rng: np.random.Generator, least: int = 1, leave: int = 1
) -> tuple[Rows, Rows]:
    """Draw ``total`` rows at random, in proportion to the classes.

    Args:
        labels: (n,) class of each row.
        total: how many rows are drawn.
        rng: its state decides the draw and the order of the rows.
        least: draw at least this many rows of each class, or the whole class if it is smaller.
        leave: leave at least this many rows of each class undrawn.

    Returns:
        The drawn rows and the rest, both shuffled, so that a prefix of either is a fair sample.

    Raises:
        ValueError: ``total`` contradicts ``least`` and ``leave``.
    """
    _, sizes = np.unique(labels, return_counts=True)
    counts = apportion(sizes, total, least=least, leave=leave)
    order = rng.permutation(len(labels))
    classes = np.split(order[np.argsort(labels[order], kind="stable")], np.cumsum(sizes)[:-1])
    drawn = [rows[:count] for rows, count in zip(classes, counts, strict=True)]
    rest = [rows[count:] for rows, count in zip(classes, counts, strict=True)]
    return rng.permutation(np.concatenate(drawn)), rng.permutation(np.concatenate(rest))


def apportion(sizes: Rows, total: int, *, least: int, leave: int) -> Rows:
    """Share ``total`` among classes of ``sizes`` (K,) by largest remainder, within bounds.

    Raises:
        ValueError: ``total`` contradicts ``least`` and ``leave``.
    """
    low, high = np.minimum(least, sizes), sizes - leave
    if (low > high).any() or not low.sum() <= total <= high.sum():
        raise ValueError(
            f"cannot draw {total} of classes of {sizes.tolist()} with at least {least} drawn and {leave} left"
        )
    shares = total * sizes / sizes.sum()
    counts: Rows = np.clip(np.floor(shares).astype(np.intp), low, high)
    while missing := total - int(counts.sum()):
        step = 1 if missing > 0 else -1
        movable = counts < high if step > 0 else counts > low
        counts[np.argmax(np.where(movable, step * (shares - counts), -np.inf))] += step
    return counts


def hold_out_test(labels: NDArray[np.int64], fraction: float = 0.2, seed: int = 0) -> tuple[Rows, Rows]:
    """Return the rows of train and of test, ascending, for a source that comes without a test split.

    The seed is not the run's: the test split of a dataset stays the same whatever is configured.

    Raises:
        ValueError: a class has fewer than 3 samples: two for train and validation, one for test.
    """
    classes = len(np.unique(labels))
    total = min(max(round(fraction * len(labels)), classes), len(labels) - 2 * classes)
    test, train = stratified_split(labels, total, rng=np.random.default_rng(seed), leave=2)
    return np.sort(train), np.sort(test)
