"""Convolutional children: stages of falling resolution."""

from functools import lru_cache
from math import ceil, log2, prod

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.families.base import Cost, Family, Inputs, Kind, Widths, classifier

LEAST_SIDE = 4
"""The first child pools images until their shorter side is less than twice as long, in pixels."""
MOST_SIDE = 64
"""The first entry of larger images has a stride of its own: a stream holds at most so many pixels a side."""
MOST_DOUBLINGS = 2
"""The first child's streams double in width from stage to stage, but no more often."""


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    side = min(inputs.shape[1:])
    first = 2 * 2 ** max(0, ceil(log2(side / MOST_SIDE)))  # it pools as well
    strides = [first] if side >= 2 * LEAST_SIDE else []
    while side // prod(strides) >= 2 * LEAST_SIDE:
        strides.append(2)
    return Architecture(
        family="cnn",
        input_shape=inputs.shape,
        classes=inputs.classes,
        stages=tuple(
            Stage(widths.stream * 2 ** min(s, MOST_DOUBLINGS), stride=stride)
            for s, stride in enumerate([*strides, 1])
        ),
    )


def pooling(stride: int) -> tuple[int, int]:
    """Return the stride of an entry's convolution, and the side of the max-pooling behind it."""
    return (stride // 2, 2) if stride % 2 == 0 else (stride, 1)


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return (height, width) of the stream of ``stage``."""
    strides = tuple(stage.stride for stage in architecture.stages[: stage + 1])
    return _sides(architecture.input_shape[1:], strides)


@lru_cache(maxsize=1024)
def _sides(image: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    sides = image
    for stride in strides:
        sides = tuple(ceil(side / stride) for side in sides)
    return sides


def _entry(architecture: Architecture, stage: int) -> Cost:
    """Return the cost of a 3x3 convolution, max-pooling, norm and activation."""
    stages = architecture.stages
    if stage == 0:
        before, sides = architecture.input_shape[0], architecture.input_shape[1:]
    else:
        before, sides = stages[stage - 1].width, _grid(architecture, stage - 1)
    after, (stride, _) = stages[stage].width, pooling(stages[stage].stride)
    convolved = prod(ceil(side / stride) for side in sides)
    return Cost(
        macs=9 * before * after * convolved,
        parameters=9 * before * after + 2 * after,
        # inputs of convolution, pooling, norm and activation
        activations=before * prod(sides) + after * (convolved + 2 * CNN.positions(architecture, stage)),
    )


def _head(architecture: Architecture) -> Cost:
    return classifier(architecture.stages[-1].width, architecture.classes)


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
CNN = Family(
    reads=("image",),
    kinds=("conv", "separable"),
    width=16,
    optimizer="muon",
    learning_rate=0.1,
    start=_start,
    grid=_grid,
    entry=_entry,
    head=_head,
)
