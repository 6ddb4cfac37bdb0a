"""What is known of a growing child when a decision is due."""

from dataclasses import dataclass, field

from mse_rl.architecture import Architecture, Position
from mse_rl.cost import cost
from mse_rl.training import BlockStatistics, Measurement, Snapshot
from mse_rl.transformations import Receipt


@dataclass(frozen=True)
class GrowthState:
    """What is known when a decision is due; the child's own numbers are in its snapshot.

    Args:
        slice_index: slices trained so far.
        architecture: of the child.
        validation: quality on the validation split.
        training_loss: mean over the last slice; None before the first.
        training_flops: FLOPs spent on training so far.
        stopped: whether the architecture is frozen.
        diverged: whether the child no longer gives finite numbers.
        ages: for each block, the slices since it was born.
        blocks: what each block did in the last slice; empty before the first.
        receipt: of the last transformation; None before the first.
        previous: the state one slice ago, without its own previous one.
    """

    slice_index: int
    architecture: Architecture
    validation: Measurement
    training_loss: float | None = None
    training_flops: int = 0
    stopped: bool = False
    diverged: bool = False
    ages: dict[Position, int] = field(default_factory=dict)
    blocks: dict[Position, BlockStatistics] = field(default_factory=dict)
    receipt: Receipt | None = None
    previous: "GrowthState | None" = None

    @property
    def flops(self) -> int:
        """FLOPs of a forward pass of one sample."""
        return cost(self.architecture).flops


@dataclass(frozen=True)
class CacheEntry:
    """A state, and the child that belongs to it."""

    state: GrowthState
    snapshot: Snapshot

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, but for the few numbers of the state."""
        return self.snapshot.size_bytes
