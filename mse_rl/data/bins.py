"""Numbers read piecewise: beside each value, how far it has come through each bin of its column.

Gorishniy, Rubachev and Babenko, 2022, On Embeddings for Numerical Features in Tabular Deep Learning,
https://arxiv.org/abs/2203.05556.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mse_rl.data.raw import Array

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
