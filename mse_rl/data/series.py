"""Sequences whose values span decades, or whose samples differ in scale."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    """Return what the training samples ``x`` (n, T, F) teach."""
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
