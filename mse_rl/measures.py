"""The measures of what a child costs: closed forms, and latency, which has to be measured. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

from mse_rl.architecture import Architecture
from mse_rl.cost import cost
from mse_rl.errors import InvalidConfig, unknown_name
from mse_rl.plugins import in_short, is_path, load_object, require_callable


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
class Measure:
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


MEASURES: dict[str, Measure] = {
    "flops": Measure(flops, "FLOPs", "flops_budget", "{:,}", "MFLOPs", 1e6),
    "params": Measure(params, "parameter", "params_budget", "{:,}", "k params", 1e3, guide=params),
    "latency": Measure(latency, "latency", "latency_budget_ms", "{:.4g} ms", "ms", 1),
}
"""By the name that ``--cost`` has for it; what is cheap to tell comes first."""


@lru_cache
def measure_of(name: str) -> Measure:
    """Return the measure of a name or import path: that of a ``Measure``, or of a function of
    (architecture, meter) that gives a positive number, by which shrinking is guided as well.

    Raises:
        InvalidConfig: if there is none, or it is neither.
    """
    if name in MEASURES:
        return MEASURES[name]
    if not is_path(name):
        raise InvalidConfig(f"{unknown_name('cost', name, MEASURES)}, or my_package.module:thing")
    found = load_object(name, "cost")
    function = found.cost if isinstance(found, Measure) else found
    require_callable(function, ("architecture", "meter"), name, "cost")
    own = _checked(function, name)
    if isinstance(found, Measure):
        return replace(found, cost=own, budget=OWN_BUDGET)
    word = name.rpartition(":")[2]
    return Measure(own, word, unit=word, guide=own)


def _checked(own: Callable[[Architecture, Meter], Any], name: str) -> Callable[[Architecture, Meter], float]:
    """Return a user's cost as one that gives plain numbers, whole where they are, and complains of others."""

    def checked(architecture: Architecture, meter: Meter) -> float:
        value = own(architecture, meter)
        if not isinstance(value, Real) or not 0 < float(value) < inf:
            raise InvalidConfig(f"expected cost {name} to give a positive number, got {in_short(value)}")
        return int(value) if isinstance(value, Integral) else float(value)

    return checked
