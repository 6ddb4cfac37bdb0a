"""Which cost of a child is priced, and how much it may be."""

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any

from mse_rl.costs.measures import MEASURES, OWN_BUDGET, measure_of
from mse_rl.errors import MOST, InvalidConfig, require, require_positive, require_within
from mse_rl.plugins import path_of
from mse_rl.settings import fit_types

FIRST_COST = "flops"
"""What is priced where nothing is named."""


@dataclass(frozen=True)
class Budgets:
    """The most that a child may cost, in each measure that is bounded."""

    flops_budget: int | None = None
    """Most FLOPs per forward pass of one sample."""
    params_budget: int | None = None
    """Most parameters."""
    latency_budget_ms: float | None = None
    """Most milliseconds per forward pass of one batch."""
    own_budget: float | None = None
    """Most of a cost of your own, in its units; see cost."""
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
