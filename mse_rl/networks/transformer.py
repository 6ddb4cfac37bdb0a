"""Transformers: attention and feed-forward blocks, norm first, on a stream of positions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.networks.layers import Linear, RMSNorm
from mse_rl.networks.mlp import LinearBlock, LinearLink, LinearTransition
from mse_rl.networks.parts import Parts, ResidualBlock, he_, zero_
from mse_rl.networks.sequences import (
    Patches,
    PooledHead,
    PositionedStem,
    is_image,
    sequence_masks,
    sequence_stem,
)
from mse_rl.spec.architecture import Architecture, Block
from mse_rl.spec.families import FAMILIES


class AttentionBlock(ResidualBlock):
    """x + linear(attention(norm(x))), x of shape (n, T, width), of inner / head_width heads.

    Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, with the norm in front (Xiong et al., 2020,
    https://arxiv.org/abs/2002.04745). ``first`` makes queries, keys and values, in this order, without
    bias. Nothing looks at padding. The last map is zero at birth.
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


def _stem(architecture: Architecture) -> PositionedStem:
    width = architecture.stages[0].width
    if is_image(architecture):
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
