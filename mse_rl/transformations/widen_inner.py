"""More units inside a block."""

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, ResizeInner, Target, at_block
from mse_rl.transformations.statistics import ChildStatistics


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
        """Say that the old units come first."""
        position = at_block(target)
        return Axis.grown(child.architecture.block(position).inner, after.block(position).inner)
