"""Measures of what a child costs, which of them is priced, and how much it may be. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Protocol

from mse_rl.costs import cost
from mse_rl.errors import (
    MOST,
    InvalidConfig,
    fit_types,
    require,
    require_positive,
    require_within,
    unknown_name,
)
from mse_rl.plugins import in_short, is_path, load_object, path_of, require_callable
from mse_rl.spec import Architecture


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
    """Measures latencies; that of one architecture is always the same."""

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
"""By the name that ``--cost`` has for it; what is cheap to measure comes first."""


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


FIRST_COST = "flops"
"""What is priced where nothing is named."""


@dataclass(frozen=True)
class Budgets:
    """Maximum costs of a child, in each measure that is bounded."""

    flops_budget: int | None = None
    """Maximum FLOPs per forward pass of one sample."""
    params_budget: int | None = None
    """Maximum number of parameters."""
    latency_budget_ms: float | None = None
    """Maximum milliseconds per forward pass of one batch."""
    own_budget: float | None = None
    """Maximum of a cost of your own, in its units; see cost."""
    latency_batch: int = 1
    """Samples in the batch whose latency is measured."""
    latency_device: str | None = None
    """Where latency is measured: cpu, cuda, cuda:1, ...; where children are trained if not given."""

    def __post_init__(self) -> None:
        fit_types(self)
        require_within(self, 1, MOST, "flops_budget", "params_budget", "latency_batch")
        require_positive(self, "latency_budget_ms", "own_budget")


@dataclass(frozen=True)
class BudgetConfig(Budgets):
    """What is priced, and the budgets: those that are given, and one that is drawn where it is not."""

    cost: str = FIRST_COST
    """What the reward prices, and of what a budget is drawn if not given: flops, params or latency, or a cost
    of your own, my_package.module:thing (docs/extending.md)."""
    budget_low: float = 2.0
    """Budgets are drawn log-uniformly for every episode, from this many times the first child's cost ..."""
    budget_high: float = 16.0
    """... to this many times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost", path_of(self.cost, "cost"))
        super().__post_init__()
        own = measure_of(self.cost).budget == OWN_BUDGET
        require(
            own or self.own_budget is None,
            f"`own_budget` bounds a cost of your own, got cost {self.cost}: name yours, as `cost` "
            "my_package.module:thing, or leave `own_budget` out",
        )
        require(
            1 <= self.budget_low <= self.budget_high < inf,
            "budgets are drawn from 1 <= `budget_low` <= `budget_high`, "
            f"got {self.budget_low} and {self.budget_high}",
        )

    @cached_property
    def most(self) -> dict[str, float]:
        """Every budget that is given, by the name of its measure."""
        names = dict.fromkeys((*MEASURES, self.cost))
        budgets = {name: getattr(self, measure_of(name).budget) for name in names}
        return {name: most for name, most in budgets.items() if most is not None}

    @property
    def cost_budget(self) -> float:
        """The budget of the cost that is priced.

        Raises:
            InvalidConfig: if it is not given.
        """
        if self.cost not in self.most:
            raise InvalidConfig(
                f"a budget is needed where the cost is {self.cost}: give {measure_of(self.cost).budget}"
            )
        return self.most[self.cost]

    def completed(self, first_cost: float, multiple: float) -> "BudgetConfig":
        """Return the same with a budget of the cost that is priced: a multiple of the first child's, if none
        is given.
        """
        if self.cost in self.most:
            return self
        budget = type(first_cost)(multiple * first_cost)  # whole where the cost is counted
        drawn: dict[str, Any] = {measure_of(self.cost).budget: budget}
        return replace(self, **drawn)
