"""What numbers go through: normalisation, bins for vectors, scales for series."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mse_rl.data.raw import Array
from mse_rl.errors import InvalidTask

_CHUNK_VALUES = 2**22


def as_float(x: Array, rows: NDArray[np.intp], side: int | None = None) -> Tensor:
    """Copy ``rows`` of ``x`` to a floating tensor, images resized to ``side`` x ``side`` if given.

    Wide types (float64, int64) stay float64: a large offset would drown the values in float32 before
    normalisation takes it out.
    """
    wide = np.result_type(x.dtype, np.float32).itemsize > 4
    shape = x.shape[1:] if side is None else (x.shape[1], side, side)
    out = torch.empty((len(rows), *shape), dtype=torch.float64 if wide else torch.float32)
    step = max(1, _CHUNK_VALUES // max(math.prod(shape), math.prod(x.shape[1:])))
    for start in range(0, len(rows), step):
        with np.errstate(over="ignore"):  # what float64 cannot hold is refused with the statistics
            chunk = x[rows[start : start + step]].astype(np.float64 if wide else np.float32)
        out[start : start + step] = _resize(torch.from_numpy(chunk), shape)
    return out


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel or feature, shaped to broadcast over ``x``.

    Steps of NaN, the padding of sequences (n, T, F), do not count. What is constant but for rounding has a
    deviation of 1, so that it becomes 0 and not noise.

    Raises:
        InvalidTask: the values are too large to square.
    """
    if x.ndim == 3:
        x = x[~x.isnan().any(dim=2)]  # (steps of all samples, F)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    deviation, mean = torch.std_mean(x, dim=axes, correction=0, keepdim=True)
    if not deviation.isfinite().all():
        raise InvalidTask(
            f"expected values that can be squared, got {x.nan_to_num(0).abs().max():.3g}: scale them down"
        )
    rounding = 8 * torch.finfo(x.dtype).eps * mean.abs()
    return mean, torch.where(deviation > rounding, deviation, 1)


def normalise_(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Overwrite ``x`` with (x - mean) / deviation, and return it in float32; padding stays NaN.

    Raises:
        InvalidTask: float32 cannot hold a value, so far is it from those of the training split.
    """
    out = x.sub_(mean).div_(deviation).to(torch.float32)
    extremes = torch.stack(out.aminmax())  # NaN where there is padding; takes no memory for each value
    if (out if extremes.isnan().any() else extremes).isinf().any():
        raise InvalidTask(
            "expected values of the size of the training samples', got some over 1e38 deviations from their "
            "mean: correct them or drop their samples"
        )
    return out


def _resize(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    if images.shape[1:] == shape:
        return images
    return F.interpolate(images, size=shape[1:], mode="bilinear", antialias=True, align_corners=False)


MOST_BINS = 16
"""Bins of a column."""
ROWS_PER_BIN = 20
"""There are fewer bins where a bin would have fewer rows."""
MOST_INPUTS = 2_048
"""Values and bins of a sample: with so many columns that they would be more, there are fewer bins."""


@dataclass(frozen=True)
class Bins:
    """Vectors (n, F) with bins behind their values: (n, F + bins of all columns).

    Bin [a, b] of a column holds min(max((x - a) / (b - a), 0), 1): 0 below the bin, 1 above.

    Args:
        edges: of the bins of each column, ascending; none where only the value is read.
    """

    edges: tuple[tuple[float, ...], ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Return the values (n, F) and their bins, of the dtype of ``x``."""
        parts = [x]
        for column, edges in zip(x.T, self.edges, strict=True):
            if edges:
                low, high = torch.tensor(edges, dtype=x.dtype).unfold(0, 2, 1).T  # (bins,) each
                parts.append((column[:, None].clamp(low, high) - low) / (high - low))
        return torch.cat(parts, dim=1) if len(parts) > 1 else x

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the values, and of the bins by where they begin and end."""
        bins = (
            f"{name} {low} to {high}"
            for name, edges in zip(names, self.edges, strict=True)
            for low, high in pairwise(edges)
        )
        return (*names, *bins)

    def record(self) -> dict[str, Any]:
        """Return ``bins``, the edges by column."""
        return {"bins": [list(edges) for edges in self.edges]}


def fit_bins(x: Tensor) -> Bins:
    """Return bins between quantiles of the samples ``x`` (n, F): none for columns of one or two values."""
    rows, columns = x.shape
    bins = min(MOST_BINS, rows // ROWS_PER_BIN, MOST_INPUTS // columns - 1)
    return Bins(tuple(_edges(column, bins) for column in x.numpy().T))


def _edges(column: Array, bins: int) -> tuple[float, ...]:
    """Return at most ``bins`` + 1 different edges, the first and the last value among them."""
    values = np.unique(column)
    if len(values) <= 2 or bins < 2:
        return ()
    if len(values) > bins + 1:
        values = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1), method="closest_observation"))
    return tuple(values.tolist())


ALIKE = 0.05
"""Samples are of one scale if scaling each by itself moves values by less than this many deviations."""


@dataclass(frozen=True)
class SeriesScaling:
    """Features (n, T, F) or (n, T, 2 F) of sequences (n, T, F), in which steps of NaN are padding.

    The first F are asinh((x - middle) / spread): linear near the middle, logarithmic far from it, so that
    amplitudes of many decades can be told apart. The others are the shape alone: (x - mean) / deviation of
    each sample by itself; 0 where a sample is constant.

    Args:
        middle: median of each feature in the training samples.
        spread: median distance from it.
        shapes: whether there are the others: not if all training samples are of one scale.
    """

    middle: tuple[float, ...]
    spread: tuple[float, ...]
    shapes: bool

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features, of the dtype of ``x``; padding stays NaN."""
        middle, spread = (torch.tensor(values, dtype=x.dtype) for values in (self.middle, self.spread))
        values = ((x - middle) / spread).asinh()
        return torch.cat([values, _shapes(x)], dim=2) if self.shapes else values

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the values, and of the shapes if there are any."""
        return (*names, *(f"shape of {name}" for name in names)) if self.shapes else names

    def record(self) -> dict[str, Any]:
        """Return ``series``: ``middle``, ``spread`` and ``shapes``."""
        return {"series": {"middle": list(self.middle), "spread": list(self.spread), "shapes": self.shapes}}


def fit_series(x: Tensor) -> SeriesScaling:
    """Fit the normalisation to the training samples ``x`` (n, T, F)."""
    steps = x[~x.isnan().any(dim=2)]  # (steps of all samples, F)
    middle = steps.median(dim=0).values
    distance = (steps - middle).abs()
    spread = distance.median(dim=0).values
    spread = torch.where(spread > 0, spread, distance.mean(dim=0))  # most are the same
    spread = torch.where(spread > 0, spread, 1)
    shapes = _shapes(x)
    alike = (shapes - _scaled(steps, x, dim=0)).square().nanmean().sqrt() < ALIKE
    differ = not alike and bool(shapes.nan_to_num().any())
    return SeriesScaling(tuple(middle.tolist()), tuple(spread.tolist()), differ)


def _shapes(x: Tensor) -> Tensor:
    """Return each sample's (x - mean) / deviation, by feature."""
    return _scaled(x, x, dim=1)


def _scaled(seen: Tensor, x: Tensor, dim: int) -> Tensor:
    """Return (x - mean) / deviation, of ``seen`` along ``dim``; 0 where it is constant but for rounding."""
    largest = seen.nan_to_num().abs().amax(dim=dim, keepdim=True)
    unit = torch.where(largest > 0, largest, 1)  # squares would overflow
    mean = (seen / unit).nanmean(dim=dim, keepdim=True)
    deviation = (seen / unit - mean).square().nanmean(dim=dim, keepdim=True).sqrt()
    constant = deviation <= 8 * torch.finfo(x.dtype).eps * mean.abs()
    return (x / unit - mean) / torch.where(constant, torch.inf, deviation)
