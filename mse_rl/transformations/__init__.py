"""The vocabulary of growth: one file per operation, one registry.

A new transformation is a new file, and one line here.
"""

from mse_rl.families import ACTIVATIONS, KINDS
from mse_rl.transformations.activation import ChangeActivation
from mse_rl.transformations.adopt import Renumbering, adopt, adopted
from mse_rl.transformations.applying import DEVIATION_SAMPLES, Answers, Probe, apply
from mse_rl.transformations.base import Origins, Target, Transformation
from mse_rl.transformations.deepen import Deepen
from mse_rl.transformations.grow_kernel import GrowKernel
from mse_rl.transformations.link import AddLink
from mse_rl.transformations.narrow_inner import NarrowInner
from mse_rl.transformations.narrow_stream import NarrowStream
from mse_rl.transformations.receipt import Receipt
from mse_rl.transformations.remove_block import RemoveBlock
from mse_rl.transformations.resize_child import NarrowChild, WidenChild
from mse_rl.transformations.statistics import BlockStatistics, ChildStatistics, Reading
from mse_rl.transformations.stop import Stop
from mse_rl.transformations.unlink import Unlink
from mse_rl.transformations.wait import Wait
from mse_rl.transformations.widen_inner import WidenInner
from mse_rl.transformations.widen_stream import WidenStream

TRANSFORMATIONS: dict[str, Transformation] = {
    transformation.name: transformation
    for transformation in (
        Wait(),
        Stop(),
        *map(WidenChild, (1.25, 1.5, 2)),
        *map(Deepen, KINDS),
        *map(WidenInner, (1.25, 1.5, 2, 4)),
        *map(WidenStream, (1.25, 1.5, 2, 4)),
        GrowKernel(),
        *map(ChangeActivation, ACTIVATIONS),
        AddLink(),
        Unlink(),
        *map(NarrowChild, (0.75, 0.5)),
        *map(NarrowInner, (0.75, 0.5)),
        *map(NarrowStream, (0.75, 0.5)),
        RemoveBlock(),
    )
}

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
]
