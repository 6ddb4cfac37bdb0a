"""What a child costs in closed form: FLOPs, parameters, activation memory; and latency, which is measured.

No torch here. One multiply-accumulate is two FLOPs; a training step is counted as three forward passes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

from mse_rl.errors import InvalidConfig, unknown_name
from mse_rl.plugins import in_short, is_path, load_object, require_callable
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage
from mse_rl.spec.families import FAMILIES, KINDS, Cost

TRAINING_PASSES = 3
"""A training step costs three forward passes: one forward, two backward (inputs and weights)."""


@lru_cache(maxsize=8192)
def _block_cost(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    return KINDS[block.kind].cost(block, width, grid)


@lru_cache(maxsize=8192)
def _stage_cost(stage: Stage, grid: tuple[int, ...]) -> Cost:
    return sum((_block_cost(block, stage.width, grid) for block in stage.blocks), Cost())


def site_cost(architecture: Architecture, position: Position) -> Cost:
    """Return the cost of the entry or residual block at ``position``."""
    if position.block == ENTRY:
        return FAMILIES[architecture.family].entry(architecture, position.stage)
    grid = FAMILIES[architecture.family].grid(architecture, position.stage)
    return _block_cost(architecture.block(position), architecture.stages[position.stage].width, grid)


def link_cost(architecture: Architecture, link: Link) -> Cost:
    """Return the cost of one link: a projection at every position of the stream that it adds to."""
    before, after = (architecture.stages[end.stage].width for end in link)
    positions = FAMILIES[architecture.family].positions(architecture, link.target.stage)
    return Cost(before * after * positions, before * after, after * positions)


@lru_cache(maxsize=8192)
def cost(architecture: Architecture) -> Cost:
    """Return the cost of the whole child."""
    family = FAMILIES[architecture.family]
    total = family.head(architecture)
    for s, stage in enumerate(architecture.stages):
        total += family.entry(architecture, s) + _stage_cost(stage, family.grid(architecture, s))
    return sum((link_cost(architecture, link) for link in architecture.links), total)


def training_flops(architecture: Architecture, samples: int) -> int:
    """Return the FLOPs spent on training with ``samples`` samples: 3 x forward x samples."""
    return TRAINING_PASSES * cost(architecture).flops * samples


def activation_bytes(architecture: Architecture) -> int:
    """Return an estimate of the bytes that one sample keeps for the backward pass, in float32."""
    return 4 * cost(architecture).activations


def training_bytes(architecture: Architecture, batch_size: int) -> int:
    """Return an estimate of the bytes that training takes: float32 activations of a batch, and
    weights, gradients and two moments of the optimizer.
    """
    return activation_bytes(architecture) * batch_size + 16 * cost(architecture).parameters


@dataclass(frozen=True)
class Latency:
    """How long a forward pass takes.

    Args:
        median_seconds: over the repeats.
        spread_seconds: their interquartile range.
    """

    median_seconds: float
    spread_seconds: float


class Meter(Protocol):
    """Whatever tells latencies; of one architecture always the same."""

    def measure(self, architecture: Architecture) -> Latency:
        """Return the latency of a child of that architecture."""

    def within(self, folder: Path) -> "Meter":
        """Return a meter that knows what this one knows, and agrees with all others of ``folder``."""


def flops(architecture: Architecture, _: Meter) -> int:
    """Return the FLOPs of a forward pass of one sample."""
    return cost(architecture).flops


def params(architecture: Architecture, _: Meter) -> int:
    """Return the number of trainable values."""
    return cost(architecture).parameters


def latency(architecture: Architecture, meter: Meter) -> float:
    """Return the milliseconds of a forward pass of one batch: their median."""
    return 1000 * meter.measure(architecture).median_seconds


OWN_BUDGET = "own_budget"


@dataclass(frozen=True)
class CostMeasure:
    """One way to say what a child costs.

    Args:
        cost: from (architecture, meter); whole where it is counted.
        noun: what the budget is called in messages.
        budget: the setting that bounds it, in the units of ``cost``; ``own_budget`` for a user's own.
        exact: how messages write a budget.
        unit: of what is shown.
        per_unit: how much of the cost makes one unit.
        guide: closed form that every step of shrinking takes away from; latencies may stay where they are.
    """

    cost: Callable[[Architecture, Meter], float]
    noun: str
    budget: str = OWN_BUDGET
    exact: str = "{:.4g}"
    unit: str = ""
    per_unit: float = 1
    guide: Callable[[Architecture, Meter], float] = flops

    def shown(self, value: float) -> str:
        """Write a cost for a person to read."""
        return f"{value / self.per_unit:.3f} {self.unit}".rstrip()


MEASURES: dict[str, CostMeasure] = {
    "flops": CostMeasure(flops, "FLOPs", "flops_budget", "{:,}", "MFLOPs", 1e6),
    "params": CostMeasure(params, "parameter", "params_budget", "{:,}", "k params", 1e3, guide=params),
    "latency": CostMeasure(latency, "latency", "latency_budget_ms", "{:.4g} ms", "ms", 1),
}
"""By the name that ``--cost`` has for it; what is cheap to tell comes first."""


@lru_cache
def measure_of(name: str) -> CostMeasure:
    """Return the measure of a name or import path: that of a ``CostMeasure``, or of a function of
    (architecture, meter) that gives a positive number, by which shrinking is guided as well.

    Raises:
        InvalidConfig: if there is none, or it is neither.
    """
    if name in MEASURES:
        return MEASURES[name]
    if not is_path(name):
        raise InvalidConfig(f"{unknown_name('cost', name, MEASURES)}, or my_package.module:thing")
    found = load_object(name, "cost")
    function = found.cost if isinstance(found, CostMeasure) else found
    require_callable(function, ("architecture", "meter"), name, "cost")
    own = _checked(function, name)
    if isinstance(found, CostMeasure):
        return replace(found, cost=own, budget=OWN_BUDGET)
    word = name.rpartition(":")[2]
    return CostMeasure(own, word, unit=word, guide=own)


def _checked(own: Callable[[Architecture, Meter], Any], name: str) -> Callable[[Architecture, Meter], float]:
    """Return a user's cost as one that gives plain numbers, whole where they are, and complains of others."""

    def checked(architecture: Architecture, meter: Meter) -> float:
        value = own(architecture, meter)
        if not isinstance(value, Real) or not 0 < float(value) < inf:
            raise InvalidConfig(f"expected cost {name} to give a positive number, got {in_short(value)}")
        return int(value) if isinstance(value, Integral) else float(value)

    return checked
