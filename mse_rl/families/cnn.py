"""Convolutional children: stages of falling resolution, over images, sequences and tokens."""

from functools import lru_cache
from math import ceil, log2, prod

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.families.base import Cost, Family, Inputs, Kind, Widths, classifier
from mse_rl.families.sequences import sequence_entry

ENTRY_KERNELS = {"image": 3, "sequence": 7, "tokens": 3}
"""Side of the kernels of entries, by the kind of input."""
LEAST_SIDE = 4
"""The first child pools until the shorter side is less than twice as long, in pixels or steps."""
MOST_SIDE = 64
"""The first entry of larger images has a stride of its own: a stream holds at most so many pixels a side."""
MOST_POOLED = 4
"""So many entries of the first child over steps pool at most; of longer sequences they divide by more."""
MOST_DOUBLINGS = 2
"""The first child's streams double in width from stage to stage, but no more often."""


def dimensions(shape: tuple[int, ...]) -> int:
    """Return along how many dimensions a child convolves: 2 for images (C, H, W), 1 for steps and tokens."""
    return 2 if len(shape) == 3 else 1


def entry_kernel(architecture: Architecture) -> int:
    """Return the side of the kernels of entries."""
    return ENTRY_KERNELS[Inputs(architecture.input_shape, architecture.vocabulary, 0).kind]


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    divided = _divided_sides if dimensions(inputs.shape) == 2 else _divided_steps
    strides = [*divided(min(_input_sides(inputs.shape))), 1]
    stages = tuple(
        Stage(widths.stream * 2 ** min(s, MOST_DOUBLINGS), stride=stride) for s, stride in enumerate(strides)
    )
    table = (Stage(widths.stream),) if inputs.vocabulary else ()
    return Architecture("cnn", inputs.shape, inputs.classes, table + stages, vocabulary=inputs.vocabulary)


def _divided_sides(side: int) -> list[int]:
    """Return the strides of the entries of the first child over images."""
    first = 2 * 2 ** max(0, ceil(log2(side / MOST_SIDE)))  # it pools as well
    strides = [first] if side >= 2 * LEAST_SIDE else []
    while side // prod(strides) >= 2 * LEAST_SIDE:
        strides.append(2)
    return strides


def _divided_steps(steps: int) -> list[int]:
    """Return the same over sequences and tokens."""
    halvings = max(0, int(log2(steps / LEAST_SIDE)))
    entries = min(halvings, MOST_POOLED)
    return [2 ** ceil((halvings - entry) / entries) for entry in range(entries)]


def _input_sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (height, width) of images, or (T,) of sequences and tokens."""
    return shape[1:] if dimensions(shape) == 2 else shape[:1]


def pooling(stride: int) -> tuple[int, int]:
    """Return the stride of an entry's convolution, and the side of the max-pooling behind it."""
    return (stride // 2, 2) if stride % 2 == 0 else (stride, 1)


def strides(architecture: Architecture) -> tuple[int, ...]:
    """Return by how much each entry divides each side; that of tokens is a table, and keeps every one."""
    own = tuple(stage.stride for stage in architecture.stages)
    return (1, *own[1:]) if architecture.vocabulary else own


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return the sides of the stream of ``stage``: (height, width), or (steps,)."""
    return _sides(_input_sides(architecture.input_shape), strides(architecture)[: stage + 1])


@lru_cache(maxsize=1024)
def _sides(sides: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...]:
    for stride in strides:
        sides = tuple(ceil(side / stride) for side in sides)
    return sides


def _entry(architecture: Architecture, stage: int) -> Cost:
    """Return the cost of a convolution, max-pooling, norm and activation; or of a table of tokens."""
    stages, shape = architecture.stages, architecture.input_shape
    if stage:
        before, sides = stages[stage - 1].width, _grid(architecture, stage - 1)
    elif architecture.vocabulary:
        return sequence_entry(architecture, stage, features=0, steps=shape[0])
    else:
        before, sides = shape[0] if dimensions(shape) == 2 else shape[1], _input_sides(shape)
    after, (stride, _) = stages[stage].width, pooling(stages[stage].stride)
    weights = entry_kernel(architecture) ** len(sides) * before * after
    convolved = prod(ceil(side / stride) for side in sides)
    return Cost(
        macs=weights * convolved,
        parameters=weights + 2 * after,
        # inputs of convolution, pooling, norm and activation
        activations=before * prod(sides) + after * (convolved + 2 * CNN.positions(architecture, stage)),
    )


def _head(architecture: Architecture) -> Cost:
    return classifier(architecture.stages[-1].width, architecture.classes)


def _conv(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    area, positions = block.kernel ** len(grid), prod(grid)
    return Cost(
        macs=2 * area * width * block.inner * positions,
        # two kernels, the bias of the second, and scale and shift of both norms
        parameters=2 * area * width * block.inner + width + 2 * width + 2 * block.inner,
        # inputs of both norms, both activations and both convolutions
        activations=3 * (width + block.inner) * positions,
    )


def _separable(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    positions = prod(grid)
    weights = 2 * width * block.inner + block.kernel ** len(grid) * block.inner
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
    reads=("image", "sequence", "tokens"),
    kinds=("conv", "separable"),
    width=16,
    optimizer="muon",
    learning_rate=0.1,
    start=_start,
    grid=_grid,
    entry=_entry,
    head=_head,
)
