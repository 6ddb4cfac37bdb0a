"""A wider stream."""

from collections.abc import Iterator
from typing import Literal

from mse_rl.architecture import Architecture, Position
from mse_rl.networks import Child
from mse_rl.networks.child import FAMILIES
from mse_rl.networks.mlp import RMSNorm
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Transformation


class WidenStream(Transformation):
    """Multiply the width of a stage's stream by ``factor``.

    Under BatchNorm the new channels are filled at once and their readers are zero. Under RMSNorm,
    which mixes the dimensions, they are zero themselves, and norms are adjusted to the new count.
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.name = f"widen_stream_x{factor:g}"

    def targets(self, architecture: Architecture) -> Iterator[Position | None]:
        """Yield the first block of every stage."""
        for stage in range(len(architecture.stages)):
            yield Position(stage, 0)

    def edit(self, architecture: Architecture, target: Position | None, space: SearchSpace) -> Architecture:
        """Return the architecture with the wider stream."""
        assert target is not None
        width = space.widened(architecture.stages[target.stage].width, self.factor)
        return architecture.with_stage(target.stage, width=width)

    def silences(self, child: Child) -> Literal["readers", "writers"]:
        """Say which weights of a new dimension are zero; the family's norm decides."""
        return FAMILIES[child.architecture.family].silent

    def settle_(self, child: Child, before: Architecture, target: Position | None) -> None:
        """Adjust the RMSNorms that read the stream to its new width."""
        assert target is not None
        readers = [*child.stages[target.stage].modules()]
        if target.stage == len(before.stages) - 1:
            readers += child.head.modules()
        for module in readers:
            if isinstance(module, RMSNorm):
                module.dilute_(before.stages[target.stage].width)
