"""A part of a dataset, resident in memory as tensors."""

from dataclasses import dataclass

import torch
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
