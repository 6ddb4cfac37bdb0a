"""Recurrent children: GRU and LSTM blocks on a stream of steps; transformers share their stems and head."""

import torch
from torch import Tensor, nn

from mse_rl.networks.layers import Embedding, Linear, RMSNorm
from mse_rl.networks.mlp import Head, LinearLink, LinearMap, LinearTransition
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_
from mse_rl.spec import Architecture, Block

CANDIDATE = 2
"""The gate that proposes new content, of GRU (reset, update, new) and LSTM (input, forget, cell, output)."""


class _Recurrent(nn.RNNBase):
    """One recurrent layer over (n, T, inputs)."""

    weight_ih_l0: Tensor
    weight_hh_l0: Tensor
    bias_ih_l0: Tensor
    bias_hh_l0: Tensor

    def reset_parameters(self) -> None:
        """Do nothing: the owner draws the weights."""


class GRU(_Recurrent, nn.GRU):
    """Cho et al., 2014, https://arxiv.org/abs/1406.1078."""

    def __init__(self, inputs: int, units: int) -> None:
        nn.GRU.__init__(self, inputs, units, batch_first=True)


class LSTM(_Recurrent, nn.LSTM):
    """Hochreiter and Schmidhuber, 1997."""

    def __init__(self, inputs: int, units: int) -> None:
        nn.LSTM.__init__(self, inputs, units, batch_first=True)


class RecurrentBlock(ResidualBlock):
    """x + linear(rnn(norm(x))), x of shape (n, T, width). The linear map is zero at initialization.

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


class Steps(LinearMap):
    """Sequences (n, T, F) to a stream (n, T, width)."""


class Rows(LinearMap):
    """Images (n, C, H, W) to a stream (n, H, width): every row is a step."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream."""
        return super().forward(x.transpose(1, 2).flatten(2))


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


def _stem(architecture: Architecture) -> nn.Module:
    if architecture.inputs.kind == "image":
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
