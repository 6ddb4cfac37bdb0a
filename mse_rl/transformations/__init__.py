"""The vocabulary of growth: one file per operation, one registry.

A new transformation is a new file, and one line here.
"""

from mse_rl.transformations.base import Origins, Transformation
from mse_rl.transformations.deepen import Deepen
from mse_rl.transformations.receipt import Receipt, apply
from mse_rl.transformations.stop import Stop
from mse_rl.transformations.wait import Wait
from mse_rl.transformations.widen_inner import WidenInner
from mse_rl.transformations.widen_stream import WidenStream

TRANSFORMATIONS: dict[str, Transformation] = {
    transformation.name: transformation
    for transformation in (
        Wait(),
        Stop(),
        Deepen(),
        WidenInner(1.5),
        WidenInner(2),
        WidenStream(1.5),
        WidenStream(2),
    )
}

__all__ = ["TRANSFORMATIONS", "Origins", "Receipt", "Transformation", "apply"]
