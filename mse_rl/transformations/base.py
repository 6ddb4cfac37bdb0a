"""What a transformation is: where it may apply, a pure edit of the architecture, a weight transplant."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal

from mse_rl.architecture import Architecture, Position
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace

Origins = dict[Position, Position | None]
"""For every block of the new architecture, where it stood in the old one; None if it is new."""


class Transformation(ABC):
    """One kind of edit of a child: of its architecture, and of its weights.

    Attributes:
        name: in the field's words, unique in the registry.
        scope: ``"child"`` if it concerns the child as a whole, ``"block"`` if it is aimed at a
            block. What concerns a stage is aimed at the stage's first block.
    """

    name: str
    scope: ClassVar[Literal["child", "block"]] = "block"

    @abstractmethod
    def targets(self, architecture: Architecture) -> Iterator[Position | None]:
        """Yield the positions that it can be aimed at; None where its scope is the child."""

    @abstractmethod
    def edit(self, architecture: Architecture, target: Position | None, space: SearchSpace) -> Architecture:
        """Return the architecture after the edit. Pure: cost and legality are known from it."""

    def origins(self, before: Architecture, target: Position | None) -> Origins:
        """Say where each block of the new architecture comes from; here: they all stay."""
        return {position: position for position, _ in before}

    def silences(self, child: Child) -> Literal["readers", "writers"]:
        """Say which weights of a new unit are zero: those that read it, or those that write it."""
        return "readers"

    def settle_(self, child: Child, before: Architecture, target: Position | None) -> None:
        """Adjust what is left after the weights have moved, so that the function is kept."""
        return None


class Inert(Transformation):
    """A transformation that leaves the network as it is."""

    scope: ClassVar[Literal["child", "block"]] = "child"

    def targets(self, architecture: Architecture) -> Iterator[Position | None]:
        """Yield the one target: the child."""
        yield None

    def edit(self, architecture: Architecture, target: Position | None, space: SearchSpace) -> Architecture:
        """Return the architecture, unchanged."""
        return architecture
