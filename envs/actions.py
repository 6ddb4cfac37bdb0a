"""The actions: which number stands for which transformation at which target."""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mse_rl.architecture import Architecture, Link, Position
from mse_rl.growth import GrowthProcess
from mse_rl.transformations import TRANSFORMATIONS, Target


def _names(scope: str) -> tuple[str, ...]:
    return tuple(name for name, transformation in TRANSFORMATIONS.items() if transformation.scope == scope)


CHILD_OPERATIONS = _names("child")
"""Transformations of the child as a whole; ``wait`` is action 0."""
BLOCK_OPERATIONS = _names("block")
"""Transformations that are aimed at an entry or a block."""
PAIR_OPERATIONS = _names("pair")
"""Transformations that are aimed at two of them."""


@dataclass(frozen=True)
class ActionTable:
    """First the operations on the child; then, row by row, those on each entry and block; then, pair by pair,
    those on each two of them, (0, 1), (0, 2), ..., (1, 2), ...

    Args:
        rows: most entries and blocks that a child may have.
    """

    rows: int

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The rows of each pair, in order."""
        return tuple(combinations(range(self.rows), 2))

    @cached_property
    def _pair_numbers(self) -> dict[tuple[int, int], int]:
        return {pair: number for number, pair in enumerate(self.pairs)}

    @property
    def _first_pair(self) -> int:
        return len(CHILD_OPERATIONS) + self.rows * len(BLOCK_OPERATIONS)

    def __len__(self) -> int:
        """Return the number of actions."""
        return self._first_pair + len(self.pairs) * len(PAIR_OPERATIONS)

    def decode(self, action: int, architecture: Architecture) -> tuple[str, Target] | None:
        """Return the transformation and its target; None if the child has no such row."""
        positions = architecture.sites
        if action < len(CHILD_OPERATIONS):
            return CHILD_OPERATIONS[action], None
        if action < self._first_pair:
            row, operation = divmod(action - len(CHILD_OPERATIONS), len(BLOCK_OPERATIONS))
            return (BLOCK_OPERATIONS[operation], positions[row]) if row < len(positions) else None
        number, operation = divmod(action - self._first_pair, len(PAIR_OPERATIONS))
        source, target = self.pairs[number]
        if target >= len(positions):
            return None
        return PAIR_OPERATIONS[operation], Link(positions[source], positions[target])

    def encode(self, name: str, target: Target, architecture: Architecture) -> int:
        """Return the action of a transformation at a target; the inverse of ``decode``."""
        return self._encode(name, target, _rows(architecture))

    def _encode(self, name: str, target: Target, rows: dict[Position, int]) -> int:
        if target is None:
            return CHILD_OPERATIONS.index(name)
        if isinstance(target, Link):
            number = self._pair_numbers[rows[target.source], rows[target.target]]
            return self._first_pair + number * len(PAIR_OPERATIONS) + PAIR_OPERATIONS.index(name)
        return len(CHILD_OPERATIONS) + rows[target] * len(BLOCK_OPERATIONS) + BLOCK_OPERATIONS.index(name)

    def mask(self, process: GrowthProcess) -> NDArray[np.bool_]:
        """Return which actions are legal now, (n,). At least one always is."""
        mask = np.zeros(len(self), dtype=np.bool_)
        rows = _rows(process.state.architecture)
        for name, target in process.choices():
            mask[self._encode(name, target, rows)] = True
        return mask

    def legal_anywhere(self, masks: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """Return for each transformation at which of the decisions (n, actions) it was legal, (n,)."""
        by_block = masks[:, len(CHILD_OPERATIONS) : self._first_pair]
        by_pair = masks[:, self._first_pair :]
        parts = (
            (CHILD_OPERATIONS, masks[:, None, : len(CHILD_OPERATIONS)]),
            (BLOCK_OPERATIONS, by_block.reshape(len(masks), -1, len(BLOCK_OPERATIONS))),
            (PAIR_OPERATIONS, by_pair.reshape(len(masks), -1, len(PAIR_OPERATIONS))),
        )  # (decisions, targets, operations) each
        return {
            name: np.asarray(legal[:, :, i].any(axis=1))
            for names, legal in parts
            for i, name in enumerate(names)
        }


def _rows(architecture: Architecture) -> dict[Position, int]:
    return {position: row for row, position in enumerate(architecture.sites)}
