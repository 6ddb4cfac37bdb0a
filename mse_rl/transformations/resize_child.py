"""A wider or narrower child: all of it at once."""

from collections.abc import Callable, Iterator

from mse_rl.architecture import ENTRY, Architecture, Position
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Part, ResizeInner, ResizeStream, Shrinking, Target, Transformation
from mse_rl.transformations.narrow_inner import NarrowInner
from mse_rl.transformations.narrow_stream import NarrowStream
from mse_rl.transformations.statistics import ChildStatistics
from mse_rl.transformations.widen_inner import WidenInner
from mse_rl.transformations.widen_stream import WidenStream


class ResizeChild(Transformation):
    """Multiply the units of every block, and the width of every stream, by ``factor``.

    FLOPs change by about ``factor`` squared: a child keeps its proportions, as in compound scaling (Tan and
    Le, 2019, https://arxiv.org/abs/1905.11946) with a fixed depth and resolution.
    """

    scope = "child"

    def __init__(
        self,
        factor: float,
        verb: str,
        inner: Callable[[float], ResizeInner],
        stream: Callable[[float], ResizeStream],
    ) -> None:
        self._inner, self._stream = inner(factor), stream(factor)
        self.name = f"{verb}_child_x{factor:g}"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield the one target: the child."""
        yield None

    def parts(self, architecture: Architecture, target: Target) -> Iterator[Part]:
        """Yield the resizing of every block, then of every stream."""
        for position, _ in architecture:
            yield Part(self._inner, position)
        for stage in range(len(architecture.stages)):
            yield Part(self._stream, Position(stage, ENTRY))

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the resized architecture."""
        for part, at in self.parts(architecture, target):
            architecture = part.edit(architecture, at, space)
        return architecture


class WidenChild(ResizeChild):
    """Every stream and every block wider, by what widens one."""

    def __init__(self, factor: float) -> None:
        super().__init__(factor, "widen", WidenInner, WidenStream)


class NarrowChild(Shrinking, ResizeChild):
    """Every stream and every block narrower, by what narrows one."""

    def __init__(self, factor: float) -> None:
        super().__init__(factor, "narrow", NarrowInner, NarrowStream)

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of all that goes."""
        return sum(
            part.lost(child, at, space, statistics) for part, at in self.parts(child.architecture, target)
        )
