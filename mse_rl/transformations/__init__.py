"""The edits of a child: one file per operation, one registry."""

from mse_rl.transformations.adopt import Renumbering, adopt, adopted
from mse_rl.transformations.applying import DEVIATION_SAMPLES, Answers, Probe, Receipt, apply, receipt_of
from mse_rl.transformations.base import (
    WAIT,
    Decision,
    Inert,
    Origins,
    Shrinking,
    Target,
    Transformation,
    require_target,
)
from mse_rl.transformations.registry import TRANSFORMATIONS, operations, transformation
from mse_rl.transformations.statistics import BlockStatistics, ChildStatistics, InputStatistics

__all__ = [
    "DEVIATION_SAMPLES",
    "TRANSFORMATIONS",
    "WAIT",
    "Answers",
    "BlockStatistics",
    "ChildStatistics",
    "Decision",
    "Inert",
    "InputStatistics",
    "Origins",
    "Probe",
    "Receipt",
    "Renumbering",
    "Shrinking",
    "Target",
    "Transformation",
    "adopt",
    "adopted",
    "apply",
    "operations",
    "receipt_of",
    "require_target",
    "transformation",
]
