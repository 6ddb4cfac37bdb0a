"""How long a child trains, when decisions are due, and how large it should be for that. No torch here.

Training FLOPs C buy a larger child or more samples. As in the compute-optimal training of language models
(Hoffmann et al., 2022, https://arxiv.org/abs/2203.15556), the best size and the best number of samples both
rise with √C. The constants are measured (docs/experiments.md).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, log, sqrt

from mse_rl.costs import TRAINING_PASSES, cost, training_flops
from mse_rl.spec import FAMILIES, LONG_TEXT, Architecture, Inputs, SearchSpace, starting_architecture


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
        """Return the price of a training step, in the units of ``total``."""
        return 1 if self.counts_steps else training_flops(architecture, self.batch_size)

    def spent(self, *, steps: int, flops: int) -> int:
        """Return how much of ``total`` is used by these training steps, or these training FLOPs."""
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


DEFAULT_TRAINING_FLOPS = 2e12
"""Length of training where none is given, but at most as long as ``Scale.default_passes``."""
QUARTERS = range(-10, 13)
"""First widths are those of the family times 2 to the power of these quarters."""


@dataclass(frozen=True)
class Scale:
    """What training pays for over one kind of input.

    Args:
        samples: that the family's first child, at its default width, has to see to be of the right size.
        passes: over the data, beyond which a larger child is better than more of them.
        default_passes: of the first child over the data that are trained for where no length is given: more
            of them cost accuracy.
        samples_a_pass: where it is given, both are lowered to one pass for so many training samples,
        least_passes: but not below this.
        first_share: FLOPs of the first child over those that are right. Growing twofold at an eighth of the
            schedule cost 0.2 points of accuracy against the larger child trained from the start, and growing
            more cost more.
    """

    samples: float
    passes: float
    default_passes: float
    samples_a_pass: float | None = None
    least_passes: float = 0.0
    first_share: float = 0.5

    def lowered(self, passes: float, samples: int) -> float:
        """Return passes over a training split of ``samples`` samples."""
        if self.samples_a_pass is None:
            return passes
        return min(passes, max(self.least_passes, samples / self.samples_a_pass))


SCALES: dict[str, Scale] = {
    "image": Scale(samples=1e5, passes=50, default_passes=100, first_share=2 / 3),
    "vector": Scale(samples=3e4, passes=30, default_passes=30, samples_a_pass=150, least_passes=5),
    "sequence": Scale(samples=1e4, passes=50, default_passes=200),
    "tokens": Scale(samples=1e4, passes=3, default_passes=10),
    "long tokens": Scale(samples=5e4, passes=5, default_passes=5),
}
"""By the kind of input; texts of more than ``LONG_TEXT`` tokens are long."""


def scale_of(inputs: Inputs) -> Scale:
    """Return the constants for a kind of input."""
    long = inputs.kind == "tokens" and inputs.shape[0] > LONG_TEXT
    return SCALES["long tokens" if long else inputs.kind]


def default_passes(inputs: Inputs, samples: int) -> float:
    """Return for how many passes of the family's first child over the data it pays to train.

    Args:
        inputs: what the child reads.
        samples: of the training split.
    """
    scale = scale_of(inputs)
    return scale.lowered(scale.default_passes, samples)


def default_training_flops(default: Architecture, samples: int) -> float:
    """Return the length of training where none is given.

    Args:
        default: the family's first child, at its default width.
        samples: of the training split.
    """
    passes = default_passes(default.inputs, samples)
    return min(DEFAULT_TRAINING_FLOPS, passes * training_flops(default, samples))


def optimal_flops(default: Architecture, samples: int, total: float) -> float:
    """Return the FLOPs of a forward pass of the child that is of the right size for C training FLOPs.

    F = max(F₀ √(C / (3 F₀ D₀)), C / (3 P n)), where the family's first child of F₀ FLOPs is right for D₀
    samples, and P passes over n samples are enough.

    Args:
        default: the family's first child, at its default width.
        samples: n, of the training split.
        total: C.
    """
    scale, flops = scale_of(default.inputs), cost(default).flops
    balanced = flops * sqrt(total / (TRAINING_PASSES * flops * scale.samples))
    return max(balanced, total / (TRAINING_PASSES * scale.lowered(scale.passes, samples) * samples))


def first_width(
    family: str,
    inputs: Inputs,
    space: SearchSpace,
    *,
    samples: int,
    total: float,
    fits: Callable[[Architecture], bool],
) -> int | None:
    """Return the width of the first child whose FLOPs come closest to ``first_share`` of the right ones.

    Args:
        family: of the child.
        inputs: what it reads.
        space: the bounds of growth, without a first width.
        samples: of the training split.
        total: training FLOPs of the whole schedule.
        fits: whether a first child is within the budgets.

    Returns:
        None if no width is within bounds and budgets.
    """
    default = starting_architecture(family, inputs, space)
    wanted = scale_of(inputs).first_share * optimal_flops(default, samples, total)
    widths = dict.fromkeys(_widths(family, space))
    children = {width: starting_architecture(family, inputs, space.starting_at(width)) for width in widths}
    able = [width for width, child in children.items() if space.allows(child) and fits(child)]
    return min(able, key=lambda width: abs(log(cost(children[width]).flops / wanted)), default=None)


def _widths(family: str, space: SearchSpace) -> Iterator[int]:
    """Yield the widths that a first child may have, in whole quanta."""
    for quarter in QUARTERS:
        width = space.starting_at(FAMILIES[family].width * 2 ** (quarter / 4)).start_width
        assert width is not None
        yield width
