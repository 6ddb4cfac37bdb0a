"""What growth takes where a user names nothing: how long, and within which budget. No torch here."""

from dataclasses import replace

from mse_rl.architecture import Architecture
from mse_rl.compute_optimal import default_training_flops
from mse_rl.config import GrowthConfig
from mse_rl.cost import training_flops

DEFAULT_BUDGET_MULTIPLE = 16.0
"""Budget of what is priced, over what the first child costs, where none is given: the most that policies are
trained with, so that the price decides.
"""
LEAST_SLICE_STEPS = 2
"""Training steps of a slice of the first child, at least: there may be as few as six samples."""


def least_training_flops(growth: GrowthConfig, first: Architecture) -> float:
    """Return the training FLOPs that pay for the shortest slices that make sense."""
    steps = LEAST_SLICE_STEPS * growth.slices / growth.decision_share
    return steps * training_flops(first, growth.batch_size)


def chosen_training_flops(growth: GrowthConfig, first: Architecture, samples: int) -> float:
    """Return the training FLOPs of a schedule whose length is not given.

    Args:
        growth: the schedule.
        first: the first child.
        samples: of the training split.
    """
    total = max(least_training_flops(growth, first), default_training_flops(first, samples))
    return rounded(total)


def rounded(total: float) -> float:
    """Return training FLOPs with two digits, so that they can be typed again."""
    return float(f"{total:.2g}")


def with_length(growth: GrowthConfig, first: Architecture, samples: int) -> GrowthConfig:
    """Return the same with a length, if none is given; arguments as in ``chosen_training_flops``."""
    if growth.training_flops is not None or growth.training_steps is not None:
        return growth
    return replace(growth, training_flops=chosen_training_flops(growth, first, samples))
