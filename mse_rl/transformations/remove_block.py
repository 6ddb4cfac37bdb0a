"""One residual block less."""

from collections.abc import Iterator

import torch
from torch import nn

from mse_rl.architecture import Architecture, Position, pulled
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, Origins, Target, Transformation, at_block
from mse_rl.transformations.statistics import ChildStatistics, unit_importance


class RemoveBlock(Transformation):
    """Remove a block, with its links. The mean of what it added goes into a bias nearby."""

    name = "remove_block"
    preserving = False

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block that is not the only one of its stage."""
        for position, _ in architecture:
            if len(architecture.stages[position.stage].blocks) > 1:
                yield position

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture without the block."""
        return architecture.removing(at_block(target))

    def origins(self, before: Architecture, target: Target) -> Origins:
        """Say that the blocks behind it have moved up by one."""
        gone = at_block(target)
        return {pulled(old, gone): old for old, _ in before if old != gone}

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Let what writes to the stream ahead of it add the mean, or, where nothing has a bias, the block
        behind it.
        """
        gone = at_block(target)
        if gone in statistics.blocks:
            bias = _writer(child, gone).bias
            assert isinstance(bias, torch.Tensor)
            bias += bias.new_tensor(statistics.blocks[gone].update)

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of all its units."""
        return unit_importance(child, at_block(target), statistics).sum().item()


def _writer(child: Child, gone: Position) -> nn.Module:
    if gone.block:
        return child.block(gone._replace(block=gone.block - 1)).last
    before = child.transitions[gone.stage - 1] if gone.stage else child.stem
    return before if getattr(before, "bias", None) is not None else child.block(gone._replace(block=1)).last
