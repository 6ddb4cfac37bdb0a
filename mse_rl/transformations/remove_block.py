"""One residual block less."""

from torch import Tensor, nn

from mse_rl.architecture import Architecture, Position, pulled
from mse_rl.networks import Child
from mse_rl.networks.mlp import Head
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Axis, BlockTransformation, Origins, Shrinking, Target, at_block
from mse_rl.transformations.statistics import ChildStatistics, unit_importance


class RemoveBlock(Shrinking, BlockTransformation):
    """Remove a block, with its links. The mean of what it added goes into a bias nearby."""

    name = "remove_block"

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture without the block."""
        return architecture.removing(at_block(target))

    def origins(self, before: Architecture, target: Target) -> Origins:
        """Say that the blocks behind it have moved up by one."""
        gone = at_block(target)
        return {pulled(old, gone): old for old, _ in before if old != gone}

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Let what writes to the stream ahead of it add the mean. Where nothing has a bias, the block behind
        it does, or what reads the stream as it leaves the stage takes it over.
        """
        gone = at_block(target)
        if gone not in statistics.blocks:
            return
        update = next(child.parameters()).new_tensor(statistics.blocks[gone].update)
        if (bias := _bias_nearby(child, gone)) is not None:
            bias += update
        elif not isinstance(reader := child.exit(gone.stage), Head):  # one with a norm reads something else
            reader.fold_stream_(update)  # type: ignore[operator]

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of all its units."""
        return unit_importance(child, at_block(target), statistics).sum().item()


def _bias_nearby(child: Child, gone: Position) -> Tensor | None:
    """Return a bias that is added to the same stream, of the block or entry ahead or the block behind."""
    ahead, behind = gone._replace(block=gone.block - 1), gone._replace(block=gone.block + 1)
    if gone.block:
        writer: nn.Module = child.block(ahead).last
    else:
        writer = child.transitions[gone.stage - 1] if gone.stage else child.stem
    if not isinstance(getattr(writer, "bias", None), Tensor) and child.architecture.has(behind):
        writer = child.block(behind).last
    bias = getattr(writer, "bias", None)
    return bias if isinstance(bias, Tensor) else None
