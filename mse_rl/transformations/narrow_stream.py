"""A narrower stream."""

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, ResizeStream, Shrinking, Target, at_block
from mse_rl.transformations.narrow_inner import most_important
from mse_rl.transformations.statistics import ChildStatistics, stream_importance, stream_means
from mse_rl.transformations.widen_stream import rescale_norms_


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
        """Say which dimensions stay: the most important, in their old order."""
        stage = at_block(target).stage
        kept = most_important(stream_importance(child, stage, statistics), after.stages[stage].width)
        return Axis(child.architecture.stages[stage].width, kept)

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Let the biases of the blocks, and of the transition or the head, take over the means."""
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
