"""What a family of children is made of, and what its parts have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mse_rl.architecture import Architecture, Block
from mse_rl.errors import InvalidArchitecture, unknown_name


@dataclass(frozen=True)
class Family:
    """The parts of one family; each has ``birth_(generator)``, which draws its first weights.

    Args:
        stem: (architecture) -> module, from a sample to the first stream.
        transition: (width before, width after) -> module, from one stage's stream to the next.
        blocks: by kind, (block, width) -> module; ``x + f(x)`` with the last map of f zero at birth.
        head: (width, classes) -> module, from the last stream to logits.
        silent: which side of new stream dimensions is zero, so that they change nothing. A norm
            over the stream that sees each dimension alone (BatchNorm) lets them carry values, and
            their ``"readers"`` ignore them; one that mixes them (RMSNorm) needs them to be zero,
            so their ``"writers"`` are silent.
    """

    stem: Callable[[Architecture], nn.Module]
    transition: Callable[[int, int], nn.Module]
    blocks: dict[str, Callable[[Block, int], nn.Module]]
    head: Callable[[int, int], nn.Module]
    silent: Literal["readers", "writers"]


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu}
"""The non-linearities that a block may have."""


def he_(weight: Tensor, generator: torch.Generator) -> None:
    """Draw ``weight`` (out, in, ...) from N(0, 2 / fan_in), as for rectifiers.

    He et al., 2015, https://arxiv.org/abs/1502.01852.
    """
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Return the non-linearity of that name.

    Raises:
        InvalidArchitecture: if there is none.
    """
    if name not in ACTIVATIONS:
        raise InvalidArchitecture(unknown_name("activation", name, ACTIVATIONS))
    return ACTIVATIONS[name]
