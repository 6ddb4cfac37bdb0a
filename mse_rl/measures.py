"""The measures of what a child costs: closed forms, and latency, which has to be measured. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mse_rl.architecture import Architecture
from mse_rl.cost import cost


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


@dataclass(frozen=True)
class Measure:
    """One way to say what a child costs.

    Args:
        cost: from (architecture, meter); whole where it is counted.
        noun: what the budget is called in messages.
        budget: the setting that bounds it, in the units of ``cost``.
        exact: how messages write a budget.
        unit: of what is shown.
        per_unit: how much of the cost makes one unit.
        guide: closed form that every step of shrinking takes away from; latencies may stay where they are.
    """

    cost: Callable[[Architecture, Meter], float]
    noun: str
    budget: str
    exact: str
    unit: str
    per_unit: float
    guide: Callable[[Architecture, Meter], float] = flops

    def shown(self, value: float) -> str:
        """Write a cost for a person to read."""
        return f"{value / self.per_unit:.3f} {self.unit}"


MEASURES: dict[str, Measure] = {
    "flops": Measure(flops, "FLOPs", "flops_budget", "{:,}", "MFLOPs", 1e6),
    "params": Measure(params, "parameter", "params_budget", "{:,}", "k params", 1e3, guide=params),
    "latency": Measure(latency, "latency", "latency_budget_ms", "{:.4g} ms", "ms", 1),
}
"""By the name that ``--cost`` has for it; what is cheap to tell comes first."""
