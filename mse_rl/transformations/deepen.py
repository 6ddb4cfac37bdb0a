"""A new residual block."""

from collections.abc import Iterator
from dataclasses import replace

from mse_rl.architecture import Architecture, Position
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Origins, Transformation


class Deepen(Transformation):
    """Insert a block after the target.

    The new block is like the target, with as many inner units as its stream is wide. Its last map
    is zero at birth, so x + f(x) = x.
    """

    name = "deepen"

    def targets(self, architecture: Architecture) -> Iterator[Position | None]:
        """Yield every block."""
        for position, _ in architecture:
            yield position

    def edit(self, architecture: Architecture, target: Position | None, space: SearchSpace) -> Architecture:
        """Return the architecture with the new block."""
        assert target is not None
        stage = architecture.stages[target.stage]
        new = replace(architecture.block(target), inner=stage.width)
        at = target.block + 1
        return architecture.with_stage(target.stage, blocks=(*stage.blocks[:at], new, *stage.blocks[at:]))

    def origins(self, before: Architecture, target: Position | None) -> Origins:
        """Say that the blocks behind the new one have moved on by one."""
        assert target is not None
        new = Position(target.stage, target.block + 1)
        origins: Origins = {new: None}
        for position, _ in before:
            moved = position.stage == new.stage and position.block >= new.block
            origins[position._replace(block=position.block + moved)] = position
        return origins
