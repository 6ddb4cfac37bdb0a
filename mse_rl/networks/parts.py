"""What children of a family are made of, and what their parts have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mse_rl.spec import Architecture, Block, Position, Stage


@dataclass(frozen=True)
class Parts:
    """The modules of one family; each has ``reset_parameters_(generator)``, which draws its first weights.

    Stems, transitions, blocks and heads are called with what they read and the mask of it, None where all is
    there.

    Args:
        stem: (architecture) -> module, from a sample to the first stream.
        transition: (width before, stage after without its blocks) -> module, from one stream to the next. Its
            map ``reader`` reads the stream, and ``fold_stream_(means)`` takes over what dimensions with these
            means contribute.
        link: (width before, width after, stride between them) -> module, from a stream to a later one; zero
            at initialization.
        blocks: by kind, (block, width) -> module.
        head: (width, classes) -> module with a map ``linear`` to the logits, and ``fold_stream_``.
        silent: which side of new stream dimensions is zero, so that they change nothing. A norm
            over the stream that sees each dimension alone (BatchNorm) lets them carry values, and
            their ``"readers"`` ignore them; one that mixes them (RMSNorm) needs them to be zero,
            so their ``"writers"`` are silent.
        channel_axis: of the stream's tensors.
        masks: (architecture, steps (n, T) of the input that are there) -> masks of what each entry reads, and
            of what the head does, that broadcast over the stream.
    """

    stem: Callable[[Architecture], nn.Module]
    transition: Callable[[int, Stage], nn.Module]
    link: Callable[[int, int, int], nn.Module]
    blocks: dict[str, Callable[[Block, int], "ResidualBlock"]]
    head: Callable[[int, int], nn.Module]
    silent: Literal["readers", "writers"]
    channel_axis: int
    masks: Callable[[Architecture, Tensor], list[Tensor | None]]


def part_specs(architecture: Architecture) -> dict[str, tuple[Any, ...]]:
    """Return for every part of a child what determines its shape, by name: equals can be exchanged."""
    stages = architecture.stages
    widths = [stage.width for stage in stages]
    entries = [replace(stage, blocks=()) for stage in stages]
    return {
        "stem": (architecture.input_shape, architecture.vocabulary, entries[0]),
        **{f"transitions.{stage}": (widths[stage], after) for stage, after in enumerate(entries[1:])},
        **{f"stages.{s}.{b}": (block, widths[s]) for (s, b), block in architecture},
        **{
            f"links.{index}": (
                widths[source.stage],
                widths[target.stage],
                _stride(architecture, source, target),
            )
            for index, (source, target) in enumerate(architecture.links)
        },
        "head": (widths[-1], architecture.classes),
    }


def _stride(architecture: Architecture, source: Position, target: Position) -> int:
    """Return by how much each side of the resolution is divided from one stream to a later one."""
    return prod(stage.stride for stage in architecture.stages[source.stage + 1 : target.stage + 1])


class ResidualBlock(nn.Module, ABC):
    """x + last(units(first(norm(x)))), with ``last`` zero at initialization.

    In every weight of two or more dimensions, dimension 0 is what is written and dimension 1 what is
    read; units that come in gates are laid out gate by gate.

    Attributes:
        first: reads the normalised stream.
        last: reads the units, writes to the stream; has a bias.
    """

    first: nn.Module
    last: nn.Module

    @abstractmethod
    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw every weight anew."""

    @property
    def stream_readers(self) -> tuple[Tensor, ...]:
        """Return the weights whose dimension 1 is the stream."""
        return (_weight(self.first),)

    @property
    def unit_readers(self) -> tuple[Tensor, ...]:
        """Return the weights whose dimension 1 are the units."""
        return (_weight(self.last),)

    @property
    def intake(self) -> tuple[Tensor, int]:
        """Return the weight whose rows drive the units, and the gate among its rows that does."""
        return _weight(self.first), 0

    def fold_units_(self, means: Tensor) -> None:
        """Fold into biases what units with these means (inner,) contribute; others' means are 0."""
        bias = self.last.bias
        assert isinstance(bias, Tensor)
        bias += response(_weight(self.last), means)

    def fold_stream_(self, means: Tensor) -> None:
        """Fold into biases what stream dimensions with these means (width,) contribute as they are
        read, after the norm; others' means are 0. Where no bias can, nothing is done.
        """
        return None


@runtime_checkable
class Shortenable(Protocol):
    """A module with weights whose norm means nothing to the function."""

    def shorten_(self) -> None:
        """Shorten them."""


def response(weight: Tensor, means: Tensor) -> Tensor:
    """Return the output of a map (out, in, ...) for a constant input (in,), without border effects."""
    return weight.flatten(2).sum(2) @ means if weight.dim() > 2 else weight @ means


def _weight(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight


def he_(weight: Tensor, generator: torch.Generator) -> None:
    """Draw ``weight`` (out, in, ...) from N(0, 2 / fan_in), as for rectifiers.

    He et al., 2015, https://arxiv.org/abs/1502.01852.
    """
    nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)


def zero_(module: nn.Module) -> None:
    """Set every parameter of ``module`` to zero."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
