"""What is known of a family of children without building one: what it reads, and what it costs."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Literal

from mse_rl.spec.architecture import Architecture, Block, Inputs

ACTIVATIONS = ("relu", "gelu", "silu", "tanh")
"""Non-linearities that a block may have, where its kind leaves the choice."""


@dataclass(frozen=True)
class Cost:
    """The price of one part of a child.

    Args:
        macs: multiply-accumulates of a forward pass of one sample.
        parameters: number of trainable values.
        activations: number of values that one sample keeps for the backward pass.
    """

    macs: int = 0
    parameters: int = 0
    activations: int = 0

    @property
    def flops(self) -> int:
        """FLOPs of a forward pass of one sample."""
        return 2 * self.macs

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.macs + other.macs,
            self.parameters + other.parameters,
            self.activations + other.activations,
        )


@dataclass(frozen=True)
class Kind:
    """One kind of residual block.

    Args:
        cost: of a block, from (block, stream width, sides of the grid of positions).
        kernels: whether it has a kernel that can grow.
        activations: whether its non-linearity can be chosen.
        heads: whether its units come in heads.
        activation: the first non-linearity, where it can be chosen.
    """

    cost: Callable[[Block, int, tuple[int, ...]], Cost]
    kernels: bool = False
    activations: bool = False
    heads: bool = False
    activation: str = "relu"


@dataclass(frozen=True)
class Widths:
    """How wide the first child is.

    Args:
        stream: width of the first stream, and units inside each of its blocks, if there are any.
        head: units of an attention head.
    """

    stream: int
    head: int


@dataclass(frozen=True)
class Family:
    """A family of children.

    Args:
        reads: kinds of input that it can read.
        kinds: of residual blocks that it is made of; the first is its own.
        width: of the first child's first stream, where none is given.
        optimizer: that measured best (docs/experiments.md).
        learning_rate: its highest learning rate.
        start: the first child.
        grid: (architecture, stage) -> sides of the grid of positions that a stream holds; () for one.
        entry: (architecture, stage) -> cost of the stage's entry, the stem or a transition.
        head: cost of all behind the last stream.
    """

    reads: tuple[str, ...]
    kinds: tuple[str, ...]
    width: int
    optimizer: Literal["sgd", "adamw", "muon"]
    learning_rate: float
    start: Callable[[Inputs, Widths], Architecture]
    grid: Callable[[Architecture, int], tuple[int, ...]]
    entry: Callable[[Architecture, int], Cost]
    head: Callable[[Architecture], Cost]

    def positions(self, architecture: Architecture, stage: int) -> int:
        """Return how many positions the stream of ``stage`` holds."""
        return prod(self.grid(architecture, stage))


def classifier(width: int, classes: int) -> Cost:
    """Return the cost of a linear map to logits."""
    return Cost(width * classes, width * classes + classes, width)


def sequence_entry(architecture: Architecture, stage: int, *, features: int, steps: int) -> Cost:
    """Return the cost of a stem over sequences of ``features`` or tokens, or of a linear transition."""
    after = architecture.stages[stage].width
    if stage == 0 and architecture.vocabulary:
        return Cost(0, architecture.vocabulary * after, (2 + after) * steps)
    before = architecture.stages[stage - 1].width if stage else features
    return Cost(before * after * steps, before * after + after, before * steps)


def sequence_head(architecture: Architecture, *, steps: int) -> Cost:
    """Return the cost of a norm at every step, a mean over them, and a classifier."""
    width = architecture.stages[-1].width
    return classifier(width, architecture.classes) + Cost(0, width, width * steps)
