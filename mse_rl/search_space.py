"""Which architectures may be: bounds, quanta, and where growth starts. No torch here."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log2

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.errors import InvalidArchitecture, unknown_name


@dataclass(frozen=True)
class SearchSpace:
    """Bounds of growth.

    Args:
        max_blocks: most blocks of a child; also the rows of the observation.
        max_width: widest stream, and most units inside a block.
        quantum: widths grow to multiples of this.
        start_width: width of the first stream, and units inside each first block.
    """

    max_blocks: int = 12
    max_width: int = 512
    quantum: int = 2
    start_width: int = 4

    def __post_init__(self) -> None:
        if min(self.max_blocks, self.max_width, self.quantum, self.start_width) < 1:
            raise InvalidArchitecture(f"every bound of the search space must be at least 1, got {self}")

    def widened(self, width: int, factor: float) -> int:
        """Return ``width`` times ``factor``, rounded to the quantum, and larger than ``width``."""
        quanta = max(int(width * factor / self.quantum + 0.5), width // self.quantum + 1)
        return quanta * self.quantum

    def allows(self, architecture: Architecture) -> bool:
        """Say whether an architecture lies within the bounds."""
        return architecture.depth <= self.max_blocks and architecture.widest <= self.max_width


def _cnn_start(input_shape: tuple[int, ...], classes: int, space: SearchSpace) -> Architecture:
    if len(input_shape) != 3:
        raise InvalidArchitecture(
            f"a cnn child reads images (C, H, W), got inputs of shape {input_shape}: use --family mlp"
        )
    side = min(input_shape[1:])
    # The first stream keeps at most 64 pixels a side; the last one has 4 to 8.
    stride = 2 ** max(0, int(log2(side)) - 5)
    stages = max(1, min(4, int(log2(side // stride)) - 1))
    width = space.start_width
    return Architecture(
        family="cnn",
        input_shape=input_shape,
        classes=classes,
        stages=tuple(Stage(width * 2**s, (Block("conv", width * 2**s, kernel=3),)) for s in range(stages)),
        stem_stride=stride,
    )


def _mlp_start(input_shape: tuple[int, ...], classes: int, space: SearchSpace) -> Architecture:
    width = space.start_width
    return Architecture("mlp", input_shape, classes, (Stage(width, (Block("linear", width),)),))


STARTS: dict[str, Callable[[tuple[int, ...], int, SearchSpace], Architecture]] = {
    "cnn": _cnn_start,
    "mlp": _mlp_start,
}
"""The smallest child of each family."""


def starting_architecture(
    family: str, input_shape: tuple[int, ...], classes: int, space: SearchSpace
) -> Architecture:
    """Return the smallest child of ``family`` that reads the input.

    Raises:
        InvalidArchitecture: if there is no such family, or it cannot read the input.
    """
    if family not in STARTS:
        raise InvalidArchitecture(unknown_name("family", family, STARTS))
    return STARTS[family](input_shape, classes, space)
