"""The splits of a dataset: tensors that stay in memory, and which samples are held out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BYTE_VALUES = 256


@dataclass(frozen=True)
class Split:
    """Inputs (n, *input_shape), float32 and normalised or, for tokens, int64; and labels (n,) int64."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.y)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.x.device

    def inputs(self, rows: slice | Tensor) -> Tensor:
        """Return the inputs of some samples: a slice of them, or those with the given indices (m,)."""
        return self.x[rows] if isinstance(rows, slice) else self.x.index_select(0, rows)

    def to(self, device: torch.device | str) -> "Split":
        """Return the same split on ``device``."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class PackedSplit(Split):
    """A split whose inputs are held as bytes, a quarter of the memory, and normalised as they are read.

    Args:
        x: images (n, C, H, W) as they were found, uint8.
        y: labels (n,) int64.
        mean, deviation: (1, C, 1, 1) float32, what the images are normalised by.
    """

    mean: Tensor
    deviation: Tensor

    def inputs(self, rows: slice | Tensor) -> Tensor:
        """Return the inputs of some samples, float32 and normalised."""
        return super().inputs(rows).to(torch.float32).sub_(self.mean).div_(self.deviation)

    def to(self, device: torch.device | str) -> "PackedSplit":
        """Return the same split on ``device``."""
        return PackedSplit(*(tensor.to(device) for tensor in (self.x, self.y, self.mean, self.deviation)))


@dataclass(frozen=True)
class JoinedSplit:
    """Two splits read as one; their inputs stay where they are.

    Args:
        first, second: the splits, on one device.
    """

    first: Split
    second: Split

    @cached_property
    def y(self) -> Tensor:
        """Labels (n,) of both."""
        return torch.cat([self.first.y, self.second.y])

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.first) + len(self.second)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.first.device

    def inputs(self, rows: Tensor) -> Tensor:
        """Return the inputs of the samples with the given indices (m,)."""
        x = self.first.inputs(rows.clamp(max=len(self.first) - 1))
        later = (rows >= len(self.first)).nonzero().flatten()
        return x.index_copy_(0, later, self.second.inputs(rows[later] - len(self.first)))


def packed(split: Split, mean: tuple[float, ...], deviation: tuple[float, ...]) -> Split:
    """Return ``split`` with its images as bytes; as it is where it would not be the same to the bit.

    Args:
        split: with float32 inputs.
        mean, deviation: per channel, what they were normalised by.
    """
    if isinstance(split, PackedSplit) or split.x.dim() != 4 or len(mean) != split.x.shape[1]:
        return split
    scale = [torch.tensor(values, device=split.device).view(1, -1, 1, 1) for values in (mean, deviation)]
    raw = (split.x * scale[1] + scale[0]).round_()
    if raw.min() < 0 or raw.max() >= BYTE_VALUES:
        return split
    smaller = PackedSplit(raw.to(torch.uint8), split.y, *scale)
    return smaller if torch.equal(smaller.inputs(slice(None)), split.x) else split


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


LEAST_OF_CLASS = 3
"""Samples of a class: two for train and validation, one for test."""


def may_be_held_out(labels: Sequence[str]) -> bool:
    """Return whether a test split can be held out of samples, by the names of their classes."""
    counts = Counter(labels)
    return len(counts) > 1 and min(counts.values()) >= LEAST_OF_CLASS
