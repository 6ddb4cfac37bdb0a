"""How long a child trains, and when decisions are due. No torch here."""

from dataclasses import dataclass
from math import inf

from mse_rl.architecture import Architecture
from mse_rl.cost import TRAINING_PASSES, training_flops


@dataclass(frozen=True)
class Schedule:
    """The length of an episode, as a number of training FLOPs or of training steps.

    A slice is a share of the schedule. With training FLOPs, its number of steps follows from the child's
    size: for the same share, a small child takes more steps than a large one. Learning rate, fading and
    observation are functions of the share that is spent.

    Args:
        total: training FLOPs, or training steps, of the whole schedule.
        counts_steps: whether ``total`` is a number of steps.
        slices: decisions; the child trains for one slice after each.
        batch_size: samples in a training step.
        decision_share: share of the schedule over which decisions are spread evenly; the last slice takes
            what is left.
    """

    total: int
    counts_steps: bool
    slices: int
    batch_size: int
    decision_share: float

    def step_price(self, architecture: Architecture) -> int:
        """Return what a training step takes of ``total``."""
        return 1 if self.counts_steps else training_flops(architecture, self.batch_size)

    def spent(self, *, steps: int, flops: int) -> int:
        """Return what has been taken of ``total`` by so many training steps, and training FLOPs."""
        return steps if self.counts_steps else flops

    def end(self, slice_index: int) -> float:
        """Return the share of the schedule at which a slice ends."""
        last = slice_index >= self.slices - 1
        return 1.0 if last else self.decision_share * (slice_index + 1) / self.slices

    def slice_steps(self, architecture: Architecture, slice_index: int, spent: int) -> int:
        """Return the training steps of a slice: as many as come closest to its end, but at least one."""
        return max(1, round(self._due(slice_index, spent) / self.step_price(architecture)))

    def most_flops(self, slice_index: int, spent: int) -> float:
        """Return the FLOPs of a forward pass of the largest child that can take a step within a slice."""
        if self.counts_steps:
            return inf
        begin = self.end(slice_index - 1) if slice_index else 0.0
        own = (self.end(slice_index) - begin) * self.total  # what an earlier slice has left is no credit
        return min(own, self._due(slice_index, spent)) / (TRAINING_PASSES * self.batch_size)

    def passes(self, architecture: Architecture, samples: int, *, spent: int = 0) -> float:
        """Return how often the rest of the schedule lets a child of this size see each of ``samples``
        samples.
        """
        steps = max(0, self.total - spent) / self.step_price(architecture)
        return steps * self.batch_size / samples

    def full_flops(self, flops: float) -> float:
        """Return the training FLOPs of a child that has ``flops`` a forward pass for the whole schedule."""
        per_step = TRAINING_PASSES * flops * self.batch_size
        return per_step * self.total if self.counts_steps else self.total

    def _due(self, slice_index: int, spent: int) -> float:
        return self.end(slice_index) * self.total - spent
