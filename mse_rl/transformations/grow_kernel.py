"""A larger kernel."""

from collections.abc import Iterator

from mse_rl.architecture import Architecture
from mse_rl.families import KINDS
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Target, Transformation, at_block


class GrowKernel(Transformation):
    """Give a block's kernels a margin of one pixel or step; its weights are zero."""

    name = "grow_kernel"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block that has kernels."""
        for position, block in architecture:
            if KINDS[block.kind].kernels:
                yield position

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the larger kernel."""
        position = at_block(target)
        return architecture.with_block(position, kernel=architecture.block(position).kernel + 2)
