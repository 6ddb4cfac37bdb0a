"""Another non-linearity."""

from collections.abc import Iterator

from mse_rl.architecture import Architecture
from mse_rl.families import KINDS
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Target, Transformation, at_block


class ChangeActivation(Transformation):
    """Let a block's non-linearity fade over to another: (1 - α)·old + α·new.

    α is 0 at the moment of the edit and rises to 1 over the next slice.
    """

    def __init__(self, activation: str) -> None:
        self.activation = activation
        self.name = f"activation_{activation}"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block that has another non-linearity, and is not fading already."""
        for position, block in architecture:
            if KINDS[block.kind].activations and block.activation != self.activation and block.fading is None:
                yield position

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture in which the block begins to fade."""
        position = at_block(target)
        old = architecture.block(position).activation
        return architecture.with_block(position, activation=self.activation, fading=old)
