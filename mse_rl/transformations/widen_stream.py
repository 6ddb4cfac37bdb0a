"""A wider stream."""

from typing import Literal

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.networks.norms import RMSNorm
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, ResizeStream, Target, at_block
from mse_rl.transformations.statistics import ChildStatistics


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
        """Say that the old dimensions come first."""
        stage = at_block(target).stage
        return Axis.grown(child.architecture.stages[stage].width, after.stages[stage].width)

    def silences(self, child: Child) -> Literal["readers", "writers"]:
        """Say which weights of a new dimension are zero; the family's norm decides."""
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
