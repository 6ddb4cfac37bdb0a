"""What is known of a growing child when a decision is due."""

import json
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from torch import Tensor

from mse_rl.costs import cost
from mse_rl.errors import InvalidArchitecture
from mse_rl.plain import from_plain, parse_json, to_plain
from mse_rl.spec.architecture import Architecture, Position
from mse_rl.training import Evaluation, Fault, SliceResult, Snapshot
from mse_rl.transformations import ChildStatistics, Decision, Receipt, receipt_of, transformation

MOST_FAULTS = 1
"""As many slices that went wrong are taken back; with one more the growth ends."""


@dataclass(frozen=True)
class GrowthState:
    """What is known when a decision is due; the child's own numbers are in its snapshot.

    Args:
        slice_index: slices trained so far.
        architecture: of the child.
        validation: quality on the validation split.
        training_loss: mean over the last slice; None before the first.
        training_steps: training steps taken so far.
        training_flops: FLOPs spent on training so far.
        stopped: whether the architecture is frozen.
        faults: what has gone wrong with the child so far: the first was taken back, the second is the end.
        ages: for each block, the slices since it was added.
        statistics: of the last slice.
        receipt: of the last transformation, or of the child that was taken over; None before them.
        rejected: what was taken back just now, and is not legal again before something else was done.
        previous: the state one slice ago, without its own previous one.
        refit: whether the last slice trained on the validation samples as well; ``validation`` is then what
            was measured before it.
    """

    slice_index: int
    architecture: Architecture
    validation: Evaluation
    training_loss: float | None = None
    training_steps: int = 0
    training_flops: int = 0
    stopped: bool = False
    faults: tuple[Fault, ...] = ()
    ages: dict[Position, int] = field(default_factory=dict)
    statistics: ChildStatistics = field(default_factory=ChildStatistics)
    receipt: Receipt | None = None
    rejected: frozenset[Decision] = frozenset()
    previous: "GrowthState | None" = None
    refit: bool = False

    @property
    def flops(self) -> int:
        """FLOPs of a forward pass of one sample."""
        return cost(self.architecture).flops

    @property
    def params(self) -> int:
        """Number of trainable values."""
        return cost(self.architecture).parameters

    @property
    def rolled_back(self) -> bool:
        """Whether the last transformation was taken back."""
        return self.receipt is not None and self.receipt.rolled_back

    @property
    def fault(self) -> Fault | None:
        """What went wrong in the last slice, if anything did."""
        known = 0 if self.previous is None else len(self.previous.faults)
        return self.faults[-1] if len(self.faults) > known else None

    @property
    def failed(self) -> bool:
        """Whether so much went wrong that the growth has ended."""
        return len(self.faults) > MOST_FAULTS


class Spent(NamedTuple):
    """What a slice has taken."""

    steps: int
    flops: int


def grown(
    before: GrowthState,
    architecture: Architecture,
    receipt: Receipt,
    result: SliceResult,
    validation: Evaluation | None,
    spent: Spent,
) -> GrowthState:
    """Return the state after a slice that stands.

    Args:
        before: the state that the transformation was decided in.
        architecture: of the child after it.
        receipt: of the transformation.
        result: of the training.
        validation: quality after the training; None if that was on the validation samples as well.
        spent: what the slice has taken.
    """
    applied = transformation(receipt.transformation)
    origins = applied.origins(before.architecture, receipt.target)
    return GrowthState(
        slice_index=before.slice_index + 1,
        architecture=architecture,
        validation=before.validation if validation is None else validation,
        training_loss=result.loss,
        training_steps=before.training_steps + spent.steps,
        training_flops=before.training_flops + spent.flops,
        stopped=before.stopped or applied.ends_growth,
        faults=before.faults,
        ages={new: 1 + (before.ages[old] if old else 0) for new, old in origins.items()},
        statistics=result.statistics,
        receipt=receipt,
        previous=replace(before, previous=None),
        refit=validation is None,
    )


def rolled_back(before: GrowthState, receipt: Receipt, spent: Spent) -> GrowthState:
    """Return the state after a slice that was taken back: only time and FLOPs are gone."""
    return replace(
        before,
        slice_index=before.slice_index + 1,
        training_steps=before.training_steps + spent.steps,
        training_flops=before.training_flops + spent.flops,
        ages={position: 1 + age for position, age in before.ages.items()},
        receipt=replace(receipt, rolled_back=True),
        rejected=before.rejected | {Decision(receipt.transformation, receipt.target)},
        previous=replace(before, previous=None),
    )


def faulty(
    before: GrowthState, after: Architecture, decision: Decision, spent: Spent, fault: Fault
) -> GrowthState:
    """Return the state after a slice in which something went wrong: it is taken back.

    If that was done before, the growth has ended, and the child counts as one that guesses.

    Args:
        before: the state that the decision was made in.
        after: the architecture that it was to give.
        decision: what was done before the slice.
        spent: what the slice would have taken.
        fault: what went wrong.
    """
    receipt = receipt_of(*decision, before.architecture, after, output_change=None)
    state = replace(rolled_back(before, receipt, spent), faults=(*before.faults, fault))
    guess = Evaluation.of_nothing(state.architecture.classes)
    return replace(state, validation=guess) if state.failed else state


@dataclass(frozen=True)
class CacheEntry:
    """What the prefix cache keeps of a process."""

    state: GrowthState
    snapshot: Snapshot

    @property
    def size_bytes(self) -> int:
        """Memory that it takes, by its tensors: what is known of the child grows with their number."""
        return self.snapshot.size_bytes

    def to_parts(self) -> tuple[dict[str, Tensor], str]:
        """Return the child's tensors by name, and the state as JSON."""
        return self.snapshot.to_tensors(), json.dumps(to_plain(self.state))

    @classmethod
    def from_parts(cls, tensors: dict[str, Tensor], text: str) -> "CacheEntry":
        """Rebuild the entry from what ``to_parts`` returned.

        Raises:
            ValueError: if there is no such thing.
        """
        try:
            state: GrowthState = from_plain(GrowthState, parse_json(text))
            positions = {position for position, _ in state.architecture}
            if state.ages.keys() != positions or not state.statistics.blocks.keys() <= positions:
                raise ValueError("the statistics are not those of the architecture's blocks")
            return cls(state, Snapshot.of_tensors(state.architecture, tensors))
        except InvalidArchitecture as error:
            raise ValueError(str(error)) from error
