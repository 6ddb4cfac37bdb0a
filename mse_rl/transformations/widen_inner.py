"""More units inside a block."""

from collections.abc import Iterator

from mse_rl.architecture import Architecture, Position
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Transformation


class WidenInner(Transformation):
    """Multiply the inner units of a block by ``factor``.

    New units read the stream through He weights; what reads them is zero (Net2Net without copies:
    Wei et al., 2016, https://arxiv.org/abs/1603.01670).
    """

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self.name = f"widen_inner_x{factor:g}"

    def targets(self, architecture: Architecture) -> Iterator[Position | None]:
        """Yield every block."""
        for position, _ in architecture:
            yield position

    def edit(self, architecture: Architecture, target: Position | None, space: SearchSpace) -> Architecture:
        """Return the architecture with the wider block."""
        assert target is not None
        inner = space.widened(architecture.block(target).inner, self.factor)
        return architecture.with_block(target, inner=inner)
