"""What may go wrong with a child while it trains, and is no fault of the program's."""

from math import isfinite
from typing import Literal, NamedTuple

import torch

Fault = Literal["diverged", "memory", "time"]
"""A loss, or weights, that are no finite numbers; no memory left; a slice that took too long."""


class Account(NamedTuple):
    """What is said of a fault.

    Args:
        what: happened to a child.
        advice: what may help.
    """

    what: str
    advice: str


ACCOUNTS: dict[Fault, Account] = {
    "diverged": Account("diverged", "lower `learning_rate`"),
    "memory": Account("ran out of memory", "lower `memory_budget`, `batch_size` or the budget"),
    "time": Account("took too long for a slice", "raise `slice_limit_seconds` or lower the budget"),
}
_NO_MEMORY = ("not enough memory", "DefaultCPUAllocator", "CUDA out of memory")
"""What torch says where it raises a plain RuntimeError."""


class SliceOverrun(Exception):
    """A slice that took longer than it may."""


def require_finite(*numbers: float) -> None:
    """Raise FloatingPointError unless all of these are finite numbers."""
    if not all(map(isfinite, numbers)):
        raise FloatingPointError


def fault_of(error: Exception) -> Fault | None:
    """Return which fault of a child's an exception is; None if it is none."""
    if isinstance(error, FloatingPointError):
        return "diverged"
    if isinstance(error, SliceOverrun):
        return "time"
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)
    return "memory" if told or isinstance(error, MemoryError | torch.OutOfMemoryError) else None
