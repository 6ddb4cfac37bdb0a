"""The actions: which number stands for which transformation at which block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mse_rl.architecture import Architecture, Position
from mse_rl.growth import GrowthProcess
from mse_rl.transformations import TRANSFORMATIONS

CHILD_OPERATIONS = tuple(name for name, t in TRANSFORMATIONS.items() if t.scope == "child")
"""Transformations of the child as a whole; ``wait`` is action 0."""
BLOCK_OPERATIONS = tuple(name for name, t in TRANSFORMATIONS.items() if t.scope == "block")
"""Transformations that are aimed at a block."""


@dataclass(frozen=True)
class ActionTable:
    """First the operations on the child, then, row by row, those on each block.

    Args:
        rows: most blocks that a child may have.
    """

    rows: int

    def __len__(self) -> int:
        """Return the number of actions."""
        return len(CHILD_OPERATIONS) + self.rows * len(BLOCK_OPERATIONS)

    def decode(self, action: int, architecture: Architecture) -> tuple[str, Position | None] | None:
        """Return the transformation and its target; None if the child has no such block."""
        if action < len(CHILD_OPERATIONS):
            return CHILD_OPERATIONS[action], None
        row, operation = divmod(action - len(CHILD_OPERATIONS), len(BLOCK_OPERATIONS))
        positions = [position for position, _ in architecture]
        return (BLOCK_OPERATIONS[operation], positions[row]) if row < len(positions) else None

    def encode(self, name: str, target: Position | None, architecture: Architecture) -> int:
        """Return the action of a transformation at a target; the inverse of ``decode``."""
        if target is None:
            return CHILD_OPERATIONS.index(name)
        row = [position for position, _ in architecture].index(target)
        return len(CHILD_OPERATIONS) + row * len(BLOCK_OPERATIONS) + BLOCK_OPERATIONS.index(name)

    def mask(self, process: GrowthProcess) -> NDArray[np.bool_]:
        """Return which actions are legal now, (n,). ``wait`` always is."""
        mask = np.zeros(len(self), dtype=np.bool_)
        for name, target in process.choices():
            mask[self.encode(name, target, process.state.architecture)] = True
        return mask
