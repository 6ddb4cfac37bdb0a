"""The child that a growth process begins with."""

from dataclasses import replace
from typing import NamedTuple

import torch

from mse_rl.config.training import GrowthConfig
from mse_rl.costs import training_bytes, training_flops
from mse_rl.costs.compute_optimal import Schedule, default_training_flops, first_width
from mse_rl.costs.measures import BudgetConfig, Meter, measure_of
from mse_rl.data import Task
from mse_rl.errors import InvalidConfig, counted
from mse_rl.growth.legality import Bounds, bounds_of
from mse_rl.networks import Child, build_child
from mse_rl.spec import Architecture, SearchSpace, first_family, starting_architecture
from mse_rl.transformations import Receipt, Renumbering, adopt, adopted


def first_architecture(
    task: Task,
    config: GrowthConfig,
    space: SearchSpace,
    init: Child | None = None,
    start: Architecture | None = None,
) -> Architecture:
    """Return the architecture that growth on ``task`` begins with.

    Args:
        task: the dataset.
        config: names the family; the one for what the task's inputs are if it names none.
        space: how wide a new child is.
        init: a child grown before, to start from; a new one if not given.
        start: an architecture to start from, with new weights; not used with ``init``.

    Raises:
        InvalidArchitecture: if the family cannot read the task.
        InvalidConfig: if ``init`` or ``start`` is of another family.
    """
    start = init.architecture if init else start
    if start is None:
        inputs = task.inputs
        return starting_architecture(config.family or first_family(inputs), inputs, space)
    if config.family not in (None, start.family):
        raise InvalidConfig(
            f"the child to start from is of family {start.family}, but {config.family} was "
            f"asked for: say `family` {start.family}"
        )
    return adopted(start, task.inputs)


def require_room(first: Architecture, bounds: Bounds, task: Task, *, may_shrink: bool) -> None:
    """Raise unless the first child lies within the search space and the budgets.

    Args:
        first: its architecture.
        bounds: what it has to keep to.
        task: for the message.
        may_shrink: whether the budgets may be met later, by shrinking.

    Raises:
        InvalidConfig: if it does not.
    """
    if bound := bounds.space.exceeded(first):
        raise InvalidConfig(
            f"the first child is beyond `{bound}`, which is {getattr(bounds.space, bound)}: raise `{bound}`"
        )
    if bounds.fit(first):
        return
    who = (
        "the least that this child can shrink to with the transformations that may be used"
        if may_shrink
        else f"what the first {first.family} child on {task.name} takes"
    )
    for name in bounds.exceeded(first):
        measure, most = measure_of(name), bounds.budget.most[name]
        least = bounds.cost(bounds.smallest(first, name) if may_shrink else first, name)
        if least > most:
            raise InvalidConfig(
                f"the {measure.noun} budget must be at least {measure.exact.format(least)}, {who}, "
                f"got {measure.exact.format(most)}: raise `{measure.budget}`"
            )
    if not may_shrink:
        raise InvalidConfig(
            f"the memory budget must be at least {training_bytes(first, bounds.batch_size):,} bytes, {who}, "
            f"got {bounds.memory_budget:,}: raise `memory_budget` or lower `batch_size`"
        )


def require_steps(first: Architecture, schedule: Schedule) -> None:
    """Raise unless the schedule pays for a training step of the first child in every slice.

    Raises:
        InvalidConfig: if it does not.
    """
    least = schedule.step_price(first) * schedule.slices
    if schedule.counts_steps and schedule.total < least:
        raise InvalidConfig(
            f"expected at least {counted(schedule.slices, 'training step')}, one for each slice, got "
            f"{schedule.total}: "
            "raise `training_steps`, or with apply raise `epochs` or lower `slices`"
        )
    if not schedule.counts_steps and schedule.decision_share * schedule.total < least:
        raise InvalidConfig(
            f"expected training FLOPs by which the first {first.family} child trains for "
            f"{counted(schedule.slices, 'slice')} of one batch of {schedule.batch_size}, "
            f"{least / schedule.decision_share:.3g} for one of its size, got {schedule.total:.3g}: raise "
            "`training_flops` (or `minutes` of apply), or lower `slices` or `batch_size`"
        )


def first_child(
    architecture: Architecture,
    task: Task,
    init: Child | None,
    renumbering: Renumbering | None,
    *,
    generator: torch.Generator,
) -> tuple[Child, Receipt | None]:
    """Return the child that growth begins with, and what was kept where it was taken over.

    Args:
        architecture: from ``first_architecture``.
        task: on the device where the child is to live.
        init: a child grown before.
        renumbering: as in ``adopt``.
        generator: draws new weights.
    """
    if init is None:
        return build_child(architecture, generator=generator, device=task.train.device), None
    return adopt(init, task.inputs, generator=generator, renumbering=renumbering)


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


def rounded(total: float) -> float:
    """Return training FLOPs with two digits, so that they can be typed again."""
    return float(f"{total:.2g}")


def with_length(growth: GrowthConfig, first: Architecture, samples: int) -> GrowthConfig:
    """Return the same with a number of training FLOPs, if no length is given.

    Args:
        growth: the schedule.
        first: the first child.
        samples: of the training split.
    """
    if growth.training_flops is not None or growth.training_steps is not None:
        return growth
    total = max(least_training_flops(growth, first), default_training_flops(first, samples))
    return replace(growth, training_flops=rounded(total))


def with_first_width(
    space: SearchSpace, growth: GrowthConfig, budget: BudgetConfig, meter: Meter, task: Task, family: str
) -> SearchSpace:
    """Return the same with the first width that suits the training FLOPs, if none is given.

    Args:
        space: the bounds of growth.
        growth: the schedule; one that counts steps suits any width.
        budget: bounds the costs of the first child.
        meter: measures latencies.
        task: the dataset.
        family: of the child.
    """
    total = growth.training_flops
    if total is None or space.start_width is not None:
        return space
    bounds = bounds_of(growth, space, budget, meter)

    def fits(first: Architecture) -> bool:
        return bounds.fit(first) and least_training_flops(growth, first) <= total

    width = first_width(family, task.inputs, space, samples=len(task.train), total=total, fits=fits)
    return replace(space, start_width=width)


class Beginning(NamedTuple):
    """What growth begins with: the settings, with what was chosen where they named nothing."""

    architecture: Architecture
    growth: GrowthConfig
    space: SearchSpace
    budget: BudgetConfig


def beginning(
    task: Task,
    growth: GrowthConfig,
    space: SearchSpace,
    budget: BudgetConfig,
    meter: Meter,
    *,
    init: Child | None = None,
    start: Architecture | None = None,
) -> Beginning:
    """Choose length, first width and budget as ``mse-rl apply`` does, where the settings name none.

    Args:
        task: the dataset.
        growth: the schedule.
        space: the bounds of growth.
        budget: bounds the costs of the child.
        meter: measures latencies.
        init: a child grown before, to start from.
        start: an architecture to start from, with new weights.

    Raises:
        InvalidArchitecture, InvalidConfig: as ``first_architecture``.
    """

    def most(first: Architecture) -> BudgetConfig:
        return budget.completed(measure_of(budget.cost).cost(first, meter), DEFAULT_BUDGET_MULTIPLE)

    first = first_architecture(task, growth, space, init, start)
    growth = with_length(growth, first, len(task.train))
    if init is None and start is None:
        space = with_first_width(space, growth, most(first), meter, task, first.family)
        first = first_architecture(task, growth, space)
    return Beginning(first, growth, space, most(first))
