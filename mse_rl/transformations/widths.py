"""Widths: units inside a block, streams, and the whole child, wider and narrower."""

from collections.abc import Callable, Iterator
from typing import Literal

import torch

from mse_rl.networks import Child
from mse_rl.networks.layers import RMSNorm
from mse_rl.spec import ENTRY, Architecture, Position, SearchSpace
from mse_rl.transformations.base import (
    Axis,
    Part,
    ResizeInner,
    ResizeStream,
    Shrinking,
    Target,
    Transformation,
    at_block,
)
from mse_rl.transformations.statistics import (
    ChildStatistics,
    stream_importance,
    stream_means,
    unit_importance,
    unit_means,
)


class WidenInner(ResizeInner):
    """Multiply the units of a block by ``factor``; in attention, the heads.

    New units read the stream through He or GradMax weights; what reads them is zero, in the last map
    and, for recurrent units, in the old ones (Net2Net without copies: Wei et al., 2016,
    https://arxiv.org/abs/1603.01670).
    """

    verb = "widen"
    adds_units = True

    def resized(self, space: SearchSpace, width: int, unit: int) -> int:
        """Return more units."""
        return space.widened(width, self.factor, unit)

    def axis(self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics) -> Axis:
        """The old units come first."""
        position = at_block(target)
        return Axis.grown(child.architecture.block(position).inner, after.block(position).inner)


class NarrowInner(Shrinking, ResizeInner):
    """Multiply the units of a block by ``factor``; in attention, the heads. The least important go.

    What they contributed in the mean goes into the biases of what read them.
    """

    verb = "narrow"

    def resized(self, space: SearchSpace, width: int, unit: int) -> int:
        """Return fewer units."""
        return space.narrowed(width, self.factor, unit)

    def axis(self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics) -> Axis:
        """Return which units stay: the most important, whole heads together, in their old order."""
        position = at_block(target)
        block = child.architecture.block(position)
        heads = unit_importance(child, position, statistics).view(-1, block.head_width)
        kept = most_important(heads.sum(1), after.block(position).inner // block.head_width)
        units = kept.unsqueeze(1) * block.head_width + torch.arange(block.head_width)
        return Axis(block.inner, units.flatten())

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Fold the mean of the units that go into biases."""
        assert axis is not None
        position = at_block(target)
        block = child.block(position)
        means = unit_means(block, statistics.blocks.get(position))
        block.fold_units_(means * axis.gone.to(means.device))

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of what goes."""
        after = self.edit(child.architecture, target, space)
        gone = self.axis(child, after, target, statistics).gone
        return unit_importance(child, at_block(target), statistics)[gone].sum().item()


def most_important(importance: torch.Tensor, count: int) -> torch.Tensor:
    """Return the indices (count,) of the largest values, ascending; of equals, the first."""
    return importance.argsort(descending=True, stable=True)[:count].sort().values


class WidenStream(ResizeStream):
    """Multiply the width of a stage's stream by ``factor``.

    Under BatchNorm the new channels are filled at once and their readers are zero. Under RMSNorm,
    which mixes the dimensions, they are zero themselves, and norms are adjusted to the new count.
    """

    verb = "widen"

    def resized(self, space: SearchSpace, width: int) -> int:
        """Return more dimensions."""
        return space.widened(width, self.factor)

    def axis(self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics) -> Axis:
        """The old dimensions come first."""
        stage = at_block(target).stage
        return Axis.grown(child.architecture.stages[stage].width, after.stages[stage].width)

    def silences(self, child: Child) -> Literal["readers", "writers"]:
        """Return which weights of a new dimension are zero; the family's norm decides."""
        return child.parts.silent

    def settle_(self, child: Child, before: Architecture, target: Target) -> None:
        """Adjust the RMSNorms that read the stream to its new width."""
        rescale_norms_(child, before, at_block(target).stage)


def rescale_norms_(child: Child, before: Architecture, stage: int) -> None:
    """Adjust the RMSNorms that read a stage's stream to its new width."""
    readers = [*child.stages[stage].modules()]
    if stage == len(before.stages) - 1:
        readers += child.head.modules()
    for module in readers:
        if isinstance(module, RMSNorm):
            module.rescale_(before.stages[stage].width)


class NarrowStream(Shrinking, ResizeStream):
    """Multiply the width of a stage's stream by ``factor``. The least important dimensions go.

    What they contributed in the mean goes into the biases of what read them, where there are any.
    RMSNorms are adjusted to the new count.
    """

    verb = "narrow"

    def resized(self, space: SearchSpace, width: int) -> int:
        """Return fewer dimensions."""
        return space.narrowed(width, self.factor)

    def axis(self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics) -> Axis:
        """Return which dimensions stay: the most important, in their old order."""
        stage = at_block(target).stage
        kept = most_important(stream_importance(child, stage, statistics), after.stages[stage].width)
        return Axis(child.architecture.stages[stage].width, kept)

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Fold the means into the biases of the blocks, and of the transition or the head."""
        assert axis is not None
        stage = at_block(target).stage
        for position, block in child.blocks():
            if position.stage == stage:
                means = stream_means(block, statistics.blocks.get(position))
                block.fold_stream_(means * axis.gone.to(means.device))
        if stage in statistics.exits:
            means = child.leaving(stage).weight.new_tensor(statistics.exits[stage].mean)
            child.exit(stage).fold_stream_(means * axis.gone.to(means.device))  # type: ignore[operator]

    def settle_(self, child: Child, before: Architecture, target: Target) -> None:
        """Adjust the RMSNorms that read the stream to its new width."""
        rescale_norms_(child, before, at_block(target).stage)

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of what goes."""
        after = self.edit(child.architecture, target, space)
        gone = self.axis(child, after, target, statistics).gone
        return stream_importance(child, at_block(target).stage, statistics)[gone].sum().item()


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
