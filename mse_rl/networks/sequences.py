"""What recurrent children and transformers share: stems that make sequences, and the head that ends them."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.networks.layers import Embedding
from mse_rl.networks.mlp import Head, LinearMap
from mse_rl.spec.architecture import Architecture


class Steps(LinearMap):
    """Sequences (n, T, F) to a stream (n, T, width)."""


class Rows(LinearMap):
    """Images (n, C, H, W) to a stream (n, H, width): every row is a step."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream."""
        return super().forward(x.transpose(1, 2).flatten(2))


class Patches(LinearMap):
    """Images (n, C, H, W) to a stream (n, T, width) of square patches; the border is padded with 0.

    Dosovitskiy et al., 2021, https://arxiv.org/abs/2010.11929.
    """

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__(channels * side**2, width)
        self.side = side

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream."""
        down, right = (-size % self.side for size in x.shape[2:])
        cut = F.pad(x, (0, right, 0, down)).unfold(2, self.side, self.side).unfold(3, self.side, self.side)
        return super().forward(cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2))


class Positions(nn.Module):
    """A learned vector for every position."""

    def __init__(self, width: int, steps: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, steps))

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw small vectors."""
        nn.init.normal_(self.weight, std=0.1, generator=generator)

    def forward(self, stream: Tensor) -> Tensor:
        """Return the stream (n, T, width) with the vectors added."""
        return stream + self.weight.t()


class PositionedStem(nn.Module):
    """A stem that reads, and positions."""

    def __init__(self, reader: nn.Module, width: int, steps: int) -> None:
        super().__init__()
        self.reader = reader
        self.positions = Positions(width, steps)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw both."""
        self.reader.reset_parameters_(generator)  # type: ignore[operator]
        self.positions.reset_parameters_(generator)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream (n, T, width)."""
        stream: Tensor = self.positions(self.reader(x))
        return stream


class PooledHead(Head):
    """Norm, mean over the positions that hold something, linear map to logits (n, classes)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits of a stream (n, T, width), which is zero where ``mask`` (n, T, 1) is not."""
        x = self.norm(x)
        pooled = x.mean(dim=1) if mask is None else x.sum(dim=1) / mask.sum(dim=1)
        logits: Tensor = self.linear(pooled)
        return logits


def sequence_masks(architecture: Architecture, steps: Tensor) -> list[Tensor | None]:
    """Return the mask (n, T, 1) of every stream: they all have the steps (n, T) of the input."""
    return [steps.unsqueeze(-1)] * (len(architecture.stages) + 1)


def sequence_stem(architecture: Architecture) -> nn.Module:
    """Return the stem that reads sequences or tokens."""
    width = architecture.stages[0].width
    if architecture.vocabulary:
        return Embedding(width, architecture.vocabulary)
    return Steps(architecture.input_shape[-1], width)


def is_image(architecture: Architecture) -> bool:
    """Return whether the child reads images."""
    return len(architecture.input_shape) == 3
