"""What a transformation is: where it may apply, a pure edit of the architecture, a weight transplant."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, cast

import torch
from torch import Tensor

from mse_rl.errors import InvalidTransformation
from mse_rl.networks import Child
from mse_rl.spec import ENTRY, Architecture, Link, Position, SearchSpace
from mse_rl.transformations.statistics import ChildStatistics

Target = Position | Link | None
"""What a transformation is aimed at: an entry or a block, a pair of them, or the child as a whole."""
Origins = dict[Position, Position | None]
"""For every block of the new architecture, where it stood in the old one; None if it is new."""


@dataclass(frozen=True)
class Axis:
    """What becomes of the units of the one axis that an edit resizes.

    Args:
        before: number of units before.
        units: (number after,) for each unit its index before, -1 if it is new.
    """

    before: int
    units: Tensor

    @staticmethod
    def grown(before: int, after: int) -> "Axis":
        """Return an axis whose old units come first."""
        return Axis(before, torch.cat([torch.arange(before), torch.full((after - before,), -1)]))

    @property
    def gone(self) -> Tensor:
        """Return a mask (before,) of the units that are not kept."""
        gone = torch.ones(self.before, dtype=torch.bool)
        gone[self.units[self.units >= 0]] = False
        return gone


class Decision(NamedTuple):
    """What is done to a child before a slice: the name of a transformation, and its target."""

    name: str
    target: Target = None


WAIT = Decision("wait")


class Part(NamedTuple):
    """A transformation at a target, as one of those that another is made of."""

    transformation: "Transformation"
    target: Target


class Transformation(ABC):
    """One kind of edit of a child: of its architecture, and of its weights.

    Attributes:
        name: in the field's words, unique in the registry.
        scope: ``"child"`` if it concerns the child as a whole, ``"block"`` if it is aimed at an entry or a
            block, ``"pair"`` at two. What concerns a stage is aimed at its entry.
        preserving: whether the child's function is unchanged at the moment of the edit; see ``Shrinking`` for
            what does not preserve it.
        changes_nothing: whether the slice is trained with the network as it is, and all else stays legal.
        ends_growth: whether nothing but ``wait`` is legal from here on.
        adds_units: whether new units read the stream, by He or GradMax weights.
    """

    name: str
    scope: ClassVar[Literal["child", "block", "pair"]] = "block"
    preserving: ClassVar[bool] = True
    changes_nothing: ClassVar[bool] = False
    ends_growth: ClassVar[bool] = False
    adds_units: ClassVar[bool] = False

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not cls.preserving and cls.lost is Transformation.lost:
            raise TypeError(
                f"{cls.__name__} does not preserve the function: derive it from "
                "mse_rl.transformations.Shrinking, and say what is `lost`"
            )

    @abstractmethod
    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield what it can be aimed at; None where its scope is the child."""

    @abstractmethod
    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture after the edit; unchanged where there is nothing to do.

        Pure: cost and legality are known from it.
        """

    def parts(self, architecture: Architecture, target: Target) -> Iterator[Part]:
        """Yield what it is made of, to be applied one after the other; here: itself."""
        yield Part(self, target)

    def origins(self, before: Architecture, target: Target) -> Origins:
        """Return where each block of the new architecture comes from; here: they all stay."""
        return {position: position for position, _ in before}

    def axis(
        self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics
    ) -> Axis | None:
        """Return the new units of the axis that is resized; None if none is."""
        return None

    def silences(self, child: Child) -> Literal["readers", "writers"]:
        """Return which weights of a new unit are zero: those that read it, or those that write it."""
        return "readers"

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Fold the mean of what will go into what stays, before the weights move."""
        return None

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of what will go; nothing does where the function is preserved."""
        return 0.0

    def settle_(self, child: Child, before: Architecture, target: Target) -> None:
        """Adjust what is left after the weights have moved, so that the function is kept."""
        return None


class Shrinking(Transformation):
    """A transformation that takes something away from what the child does."""

    preserving = False

    @abstractmethod
    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of what will go."""


class Inert(Transformation):
    """A transformation that leaves the network as it is."""

    scope = "child"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield the one target: the child."""
        yield None

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture, unchanged."""
        return architecture


class BlockTransformation(Transformation):
    """A transformation that can be aimed at any block."""

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block."""
        for position, _ in architecture:
            yield position


class StageTransformation(Transformation):
    """A transformation of a stage, aimed at its entry."""

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield the entry of every stage."""
        for stage in range(len(architecture.stages)):
            yield Position(stage, ENTRY)


class ResizeInner(BlockTransformation):
    """A transformation that gives a block another number of units, ``factor`` times as many."""

    verb: ClassVar[str]

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.name = f"{self.verb}_inner_x{factor:g}"

    @abstractmethod
    def resized(self, space: SearchSpace, width: int, unit: int) -> int:
        """Return the number of units after, in whole ``unit``s; ``width`` where it cannot change."""

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the resized block."""
        position = at_block(target)
        block = architecture.block(position)
        return architecture.with_block(position, inner=self.resized(space, block.inner, block.head_width))


class ResizeStream(StageTransformation):
    """A transformation that gives a stage's stream another width, ``factor`` times as wide."""

    verb: ClassVar[str]

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.name = f"{self.verb}_stream_x{factor:g}"

    @abstractmethod
    def resized(self, space: SearchSpace, width: int) -> int:
        """Return the width after; ``width`` where it cannot change."""

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the resized stream."""
        stage = at_block(target).stage
        return architecture.with_stage(stage, width=self.resized(space, architecture.stages[stage].width))


SCOPES: dict[str, type] = {"child": type(None), "block": Position, "pair": Link}
"""What a transformation may be aimed at, and the types of such targets."""


def require_target(target: object, scope: str) -> None:
    """Raise unless a target is of the type that a scope asks for.

    Raises:
        InvalidTransformation: if it is not.
    """
    kind = SCOPES[scope]
    if not isinstance(target, kind):
        raise InvalidTransformation(
            f"expected a {kind.__name__} as the target of what is aimed at the {scope}, got {target!r:.80}"
        )


def at_block(target: Target) -> Position:
    """Return the target of a transformation whose scope is the block."""
    require_target(target, "block")
    return cast(Position, target)


def at_pair(target: Target) -> Link:
    """Return the target of a transformation whose scope is the pair."""
    require_target(target, "pair")
    return cast(Link, target)
