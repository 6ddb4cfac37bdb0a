"""The edits of a child: one file per operation, one registry."""

from mse_rl.transformations.adopt import Renumbering, adopt, adopted
from mse_rl.transformations.applying import DEVIATION_SAMPLES, Answers, Probe, apply
from mse_rl.transformations.base import Origins, Target, Transformation
from mse_rl.transformations.receipt import Receipt
from mse_rl.transformations.registry import TRANSFORMATIONS, operations, transformation
from mse_rl.transformations.statistics import BlockStatistics, ChildStatistics, Reading

__all__ = [
    "DEVIATION_SAMPLES",
    "TRANSFORMATIONS",
    "Answers",
    "BlockStatistics",
    "ChildStatistics",
    "Origins",
    "Probe",
    "Reading",
    "Receipt",
    "Renumbering",
    "Target",
    "Transformation",
    "adopt",
    "adopted",
    "apply",
    "operations",
    "transformation",
]
