"""Fewer units inside a block."""

import torch

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, ResizeInner, Shrinking, Target, at_block
from mse_rl.transformations.statistics import ChildStatistics, unit_importance, unit_means


class NarrowInner(Shrinking, ResizeInner):
    """Multiply the units of a block by ``factor``; in attention, the heads. The least important go.

    What they contributed in the mean goes into the biases of what read them.
    """

    verb = "narrow"

    def resized(self, space: SearchSpace, width: int, unit: int) -> int:
        """Return fewer units."""
        return space.narrowed(width, self.factor, unit)

    def axis(self, child: Child, after: Architecture, target: Target, statistics: ChildStatistics) -> Axis:
        """Say which units stay: the most important, whole heads together, in their old order."""
        position = at_block(target)
        block = child.architecture.block(position)
        heads = unit_importance(child, position, statistics).view(-1, block.head_width)
        kept = most_important(heads.sum(1), after.block(position).inner // block.head_width)
        units = kept.unsqueeze(1) * block.head_width + torch.arange(block.head_width)
        return Axis(block.inner, units.flatten())

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Let biases take over the mean of the units that go."""
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
