"""The actions: which number stands for which transformation at which target; and the layout of a policy."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES
from mse_rl.errors import InvalidConfig
from mse_rl.growth.process import GrowthProcess
from mse_rl.spec import Architecture, Link, Position
from mse_rl.transformations import WAIT, Decision, Target, operations, transformation


@dataclass(frozen=True)
class ActionTable:
    """First the operations on the child; then, row by row, those on each entry and block; then, pair by pair,
    those on each two of them, (0, 1), (0, 2), ..., (1, 2), ...

    Args:
        rows: maximum number of entries and blocks of a child.
        operations: names of transformations, or import paths of such, in order; all that are registered if
            not given. The first is ``wait``, which is action 0.

    Raises:
        InvalidConfig: if ``wait`` is not the first, one is there twice, or there is no such transformation.
    """

    rows: int
    operations: tuple[str, ...] = field(default_factory=operations)

    def __post_init__(self) -> None:
        if self.operations[:1] != ("wait",) or len({*self.operations}) < len(self.operations):
            raise InvalidConfig(
                f"a table of actions takes operations that begin with wait, each once, got {self.operations}"
            )
        for name in self.operations:
            transformation(name)

    @cached_property
    def child_operations(self) -> tuple[str, ...]:
        """Transformations of the child as a whole."""
        return self._of("child")

    @cached_property
    def block_operations(self) -> tuple[str, ...]:
        """Transformations that are aimed at an entry or a block."""
        return self._of("block")

    @cached_property
    def pair_operations(self) -> tuple[str, ...]:
        """Transformations that are aimed at two of them."""
        return self._of("pair")

    def _of(self, scope: str) -> tuple[str, ...]:
        return tuple(name for name in self.operations if transformation(name).scope == scope)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """The rows of each pair, in order."""
        return tuple(combinations(range(self.rows), 2))

    @cached_property
    def _pair_numbers(self) -> dict[tuple[int, int], int]:
        return {pair: number for number, pair in enumerate(self.pairs)}

    @property
    def _first_pair(self) -> int:
        return len(self.child_operations) + self.rows * len(self.block_operations)

    def __len__(self) -> int:
        """Return the number of actions."""
        return self._first_pair + len(self.pairs) * len(self.pair_operations)

    def decode(self, action: int, architecture: Architecture) -> Decision | None:
        """Return the transformation and its target; None if the child has no such row."""
        positions = architecture.sites
        if action < len(self.child_operations):
            return Decision(self.child_operations[action])
        if action < self._first_pair:
            row, operation = divmod(action - len(self.child_operations), len(self.block_operations))
            if row >= len(positions):
                return None
            return Decision(self.block_operations[operation], positions[row])
        number, operation = divmod(action - self._first_pair, len(self.pair_operations))
        source, target = self.pairs[number]
        if target >= len(positions):
            return None
        return Decision(self.pair_operations[operation], Link(positions[source], positions[target]))

    def encode(self, name: str, target: Target, architecture: Architecture) -> int:
        """Return the action of a transformation at a target; the inverse of ``decode``."""
        return self._encode(name, target, _rows(architecture))

    def _encode(self, name: str, target: Target, rows: dict[Position, int]) -> int:
        if target is None:
            return self.child_operations.index(name)
        if isinstance(target, Link):
            number = self._pair_numbers[rows[target.source], rows[target.target]]
            return self._first_pair + number * len(self.pair_operations) + self.pair_operations.index(name)
        first = len(self.child_operations) + rows[target] * len(self.block_operations)
        return first + self.block_operations.index(name)

    def mask(self, process: GrowthProcess) -> NDArray[np.bool_]:
        """Return which actions are legal now, (n,).

        At least one is, where the table has all that the process may do.
        """
        mask = np.zeros(len(self), dtype=np.bool_)
        rows = _rows(process.state.architecture)
        for name, target in process.choices():
            if name in self.operations:
                mask[self._encode(name, target, rows)] = True
        return mask

    def legal_anywhere(self, masks: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
        """Return for each transformation at which of the decisions (n, actions) it was legal, (n,)."""
        by_block = masks[:, len(self.child_operations) : self._first_pair]
        by_pair = masks[:, self._first_pair :]
        parts = (
            (self.child_operations, masks[:, None, : len(self.child_operations)]),
            (self.block_operations, by_block.reshape(len(masks), self.rows, len(self.block_operations))),
            (self.pair_operations, by_pair.reshape(len(masks), len(self.pairs), len(self.pair_operations))),
        )  # (decisions, targets, operations) each
        return {
            name: np.asarray(legal[:, :, i].any(axis=1))
            for names, legal in parts
            for i, name in enumerate(names)
        }


def _rows(architecture: Architecture) -> dict[Position, int]:
    return {position: row for row, position in enumerate(architecture.sites)}


@dataclass(frozen=True)
class Layout:
    """The names of what goes into a policy network and of what comes out, in order.

    Args:
        globals: features of the child.
        blocks: features of each row; ``present`` is the first.
        child_operations: on the child as a whole; ``wait`` is the first.
        block_operations: on an entry or a block.
        pair_operations: on two of them.

    Raises:
        ValueError: if there is none of a kind, or one twice, or another first.
    """

    globals: tuple[str, ...]
    blocks: tuple[str, ...]
    child_operations: tuple[str, ...]
    block_operations: tuple[str, ...]
    pair_operations: tuple[str, ...]

    def __post_init__(self) -> None:
        for part, names in asdict(self).items():
            if not names or len({*names}) < len(names):
                raise ValueError(f"expected a name or more, each once, as {part}, got {list(names)}")
        if (self.blocks[0], self.child_operations[0]) != ("present", WAIT.name):
            raise ValueError(
                "expected present as the first of blocks and wait as the first of child_operations, "
                f"got {self.blocks[0]} and {self.child_operations[0]}"
            )

    @classmethod
    def of(cls, actions: ActionTable) -> "Layout":
        """Return the layout of this version's observations and of a table of actions."""
        return cls(
            GLOBAL_FEATURES,
            BLOCK_FEATURES,
            actions.child_operations,
            actions.block_operations,
            actions.pair_operations,
        )

    @property
    def operations(self) -> frozenset[str]:
        """All that can be decided."""
        return frozenset(self.child_operations + self.block_operations + self.pair_operations)


def columns(
    values: NDArray[np.floating], names: tuple[str, ...], wanted: tuple[str, ...], missing: float
) -> NDArray[np.floating]:
    """Return the columns of a table that are wanted, in the order in which they are.

    Args:
        values: (n, names).
        names: of the columns.
        wanted: names of columns.
        missing: stands in the columns that are not there.

    Returns:
        (n, wanted).
    """
    if names == wanted:
        return values
    filled = np.column_stack([values, np.full(len(values), missing, values.dtype)])
    places = {name: place for place, name in enumerate(names)}
    return filled[:, [places.get(name, -1) for name in wanted]]
