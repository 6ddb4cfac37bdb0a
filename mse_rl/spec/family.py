"""What is known of a family of children without building one: what it reads, and what it costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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
    """How wide the first child is, and how deep it may be.

    Args:
        stream: width of the first stream, and units inside each of its blocks, if there are any.
        head: units of an attention head.
        stages: at most; those that its shape cannot do without are there anyway.
    """

    stream: int
    head: int
    stages: int


@dataclass(frozen=True)
class Recipe:
    """How children over one kind of input are trained, where the settings leave it open.

    Args:
        rate_width: width of the first stream that the family's learning rate is for; it is as many times
            lower as a child is wider. If not given, it is the same for every width.
        decay_passes: passes over the data after which weight decay, at the highest learning rate, has left
            1/e of a weight of a child of that width: the fewer samples there are, the larger is the decay
            (Wang and Aitchison, 2024, https://arxiv.org/abs/2405.13698). If not given, decay is the same for
            any number.
    """

    rate_width: int | None = None
    decay_passes: float | None = None


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
        recipes: what is peculiar to the training of its children, by the kind of input.
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
    recipes: Mapping[str, Recipe] = field(default_factory=dict)

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
