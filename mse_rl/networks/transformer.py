"""Transformers: attention and feed-forward blocks, norm first, on a stream of positions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.networks.layers import Linear, RMSNorm
from mse_rl.networks.mlp import LinearBlock, LinearLink, LinearMap, LinearTransition
from mse_rl.networks.parts import Parts, ResidualBlock, he_, zero_
from mse_rl.networks.rnn import PooledHead, sequence_masks, sequence_stem
from mse_rl.spec import FAMILIES, Architecture, Block


class AttentionBlock(ResidualBlock):
    """x + linear(attention(norm(x))), x of shape (n, T, width), of inner / head_width heads.

    Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, with the norm in front (Xiong et al., 2020,
    https://arxiv.org/abs/2002.04745). ``first`` makes queries, keys and values, in this order, without
    bias. Nothing looks at padding. The last map is zero at initialization.
    """

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.first: Linear = Linear(width, 3 * block.inner, bias=False)
        self.last: Linear = Linear(block.inner, width)
        self._head_width = block.head_width

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw queries, keys and values; the last map is zero."""
        self.norm.reset_parameters_(generator)
        he_(self.first.weight, generator)
        zero_(self.last)

    @property
    def intake(self) -> tuple[Tensor, int]:
        """Return the weight of queries, keys and values, and which of them are the values."""
        return self.first.weight, 2

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x plus what the block adds; ``mask`` is (n, T, 1)."""
        gates = self.first(self.norm(x)).unflatten(2, (3, -1, self._head_width))  # (n, T, 3, heads, head)
        queries, keys, values = gates.permute(2, 0, 3, 1, 4)
        seen = None if mask is None else mask.transpose(1, 2).unsqueeze(1)  # (n, 1, 1, T)
        heads = F.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)  # (n, heads, T, head)
        update: Tensor = self.last(heads.transpose(1, 2).flatten(2))
        return x + update


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


def _stem(architecture: Architecture) -> PositionedStem:
    width = architecture.stages[0].width
    if architecture.inputs.kind == "image":
        reader: nn.Module = Patches(architecture.input_shape[0], width, architecture.stages[0].stride)
    else:
        reader = sequence_stem(architecture)
    return PositionedStem(reader, width, FAMILIES["transformer"].positions(architecture, 0))


TRANSFORMER = Parts(
    stem=_stem,
    transition=LinearTransition,
    link=LinearLink,
    blocks={"attention": AttentionBlock, "linear": LinearBlock},
    head=PooledHead,
    silent="writers",
    channel_axis=-1,
    masks=sequence_masks,
)
