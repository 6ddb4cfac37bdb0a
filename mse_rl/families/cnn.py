"""Convolutional children: stages of falling resolution."""

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from math import ceil, log2

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.families.base import Cost, Family, Inputs, Kind, Widths, classifier


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    side = min(inputs.shape[1:])
    # The first stream keeps at most 64 pixels a side; the last one has 4 to 8.
    stride = 2 ** max(0, int(log2(side)) - 5)
    stages = max(1, min(4, int(log2(side // stride)) - 1))
    width = widths.stream
    return Architecture(
        family="cnn",
        input_shape=inputs.shape,
        classes=inputs.classes,
        stages=tuple(Stage(width * 2**s, (Block("conv", width * 2**s, kernel=3),)) for s in range(stages)),
        stem_stride=stride,
    )


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return (height, width) of the stream of ``stage``."""
    return _sides(architecture.input_shape[1:], architecture.stem_stride, stage)


@lru_cache(maxsize=1024)
def _sides(image: tuple[int, ...], stem_stride: int, stage: int) -> tuple[int, ...]:
    sides = image
    for stride in [stem_stride] + [2] * stage:
        sides = tuple(ceil(side / stride) for side in sides)
    return sides


def _frame(architecture: Architecture) -> Iterator[Cost]:
    """Yield stem, transitions between stages, and head: 3x3 convolutions, norm and classifier."""
    widths = [architecture.input_shape[0], *(stage.width for stage in architecture.stages)]
    positions = 1
    for stage, (before, after) in enumerate(pairwise(widths)):
        positions = CNN.positions(architecture, stage)
        yield Cost(9 * before * after * positions, 9 * before * after, before * positions)
    yield classifier(widths[-1], architecture.classes) + Cost(0, 2 * widths[-1], 2 * widths[-1] * positions)


def _conv(block: Block, width: int, positions: int) -> Cost:
    area = block.kernel**2
    return Cost(
        macs=2 * area * width * block.inner * positions,
        # two kernels, the bias of the second, and scale and shift of both norms
        parameters=2 * area * width * block.inner + width + 2 * width + 2 * block.inner,
        # inputs of both norms, both activations and both convolutions
        activations=3 * (width + block.inner) * positions,
    )


def _separable(block: Block, width: int, positions: int) -> Cost:
    weights = 2 * width * block.inner + block.kernel**2 * block.inner
    return Cost(
        macs=weights * positions,
        parameters=weights + width + 2 * width + 2 * block.inner,
        # as above, and the input of the depthwise convolution
        activations=(3 * width + 4 * block.inner) * positions,
    )


KINDS = {
    "conv": Kind(_conv, kernels=True, activations=True),
    "separable": Kind(_separable, kernels=True, activations=True),
}
CNN = Family(reads=("image",), kinds=("conv", "separable"), start=_start, grid=_grid, frame=_frame)
