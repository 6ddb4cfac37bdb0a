"""What a policy reads and what it decides, by name: so it outlives the version that it was trained in."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.actions import ActionTable
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES
from mse_rl.transformations import WAIT


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
