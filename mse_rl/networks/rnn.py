"""Recurrent children: GRU and LSTM blocks on a stream of steps."""

import torch
from torch import Tensor, nn

from mse_rl.networks.layers import GRU, LSTM, Linear, RMSNorm
from mse_rl.networks.mlp import LinearLink, LinearTransition
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_
from mse_rl.networks.sequences import PooledHead, Rows, is_image, sequence_masks, sequence_stem
from mse_rl.spec.architecture import Architecture, Block

CANDIDATE = 2
"""The gate that proposes new content, of GRU (reset, update, new) and LSTM (input, forget, cell, output)."""


class RecurrentBlock(ResidualBlock):
    """x + linear(rnn(norm(x))), x of shape (n, T, width). The linear map is zero at birth.

    Args:
        block: how many units.
        width: of the stream.
        layer: what is recurrent.
    """

    def __init__(self, block: Block, width: int, layer: type[GRU | LSTM]) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.first: GRU | LSTM = layer(width, block.inner)
        self.last: Linear = Linear(block.inner, width)
        self._gates = len(self.first.weight_hh_l0) // block.inner

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw input weights by He and orthogonal recurrent ones, gate by gate; the last map is zero."""
        self.norm.reset_parameters_(generator)
        he_(self.first.weight_ih_l0, generator)
        for gate in self.first.weight_hh_l0.chunk(self._gates):
            nn.init.orthogonal_(gate, generator=generator)
        nn.init.zeros_(self.first.bias_ih_l0)
        nn.init.zeros_(self.first.bias_hh_l0)
        zero_(self.last)

    @property
    def stream_readers(self) -> tuple[Tensor, ...]:
        """Return the weights whose dimension 1 is the stream."""
        return (self.first.weight_ih_l0,)

    @property
    def unit_readers(self) -> tuple[Tensor, ...]:
        """Return the weights whose dimension 1 are the units."""
        return (self.first.weight_hh_l0, self.last.weight)

    @property
    def intake(self) -> tuple[Tensor, int]:
        """Return the input weights, and the gate that proposes new content."""
        return self.first.weight_ih_l0, CANDIDATE

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x plus what the block adds; padding stands behind the last step, which does not see it."""
        units, _ = self.first(self.norm(x))
        update: Tensor = self.last(units)
        return x + update

    def fold_units_(self, means: Tensor) -> None:
        """Fold it into the bias of the last map and the recurrent ones."""
        super().fold_units_(means)
        self.first.bias_hh_l0 += response(self.first.weight_hh_l0, means)

    def fold_stream_(self, means: Tensor) -> None:
        """Fold it into the input biases."""
        self.first.bias_ih_l0 += response(self.first.weight_ih_l0, means)


def _gru(block: Block, width: int) -> RecurrentBlock:
    return RecurrentBlock(block, width, GRU)


def _lstm(block: Block, width: int) -> RecurrentBlock:
    return RecurrentBlock(block, width, LSTM)


def _stem(architecture: Architecture) -> nn.Module:
    if is_image(architecture):
        channels, _, columns = architecture.input_shape
        return Rows(channels * columns, architecture.stages[0].width)
    return sequence_stem(architecture)


RNN = Parts(
    stem=_stem,
    transition=LinearTransition,
    link=LinearLink,
    blocks={"gru": _gru, "lstm": _lstm},
    head=PooledHead,
    silent="writers",
    channel_axis=-1,
    masks=sequence_masks,
)
