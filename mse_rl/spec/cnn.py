"""Convolutional children: stages of falling resolution, over images, sequences and tokens."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, inf, log2, prod

from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.spec.family import Cost, Family, Kind, Recipe, Widths, classifier, sequence_entry

MOST_SIDE = 64
"""The first entry of larger images has a stride of its own: a stream holds at most so many pixels a side."""


@dataclass(frozen=True)
class Entries:
    """The entries of children over one kind of input: what measured best.

    Args:
        kernel: side of their kernels, in pixels or steps.
        least: the first child pools until the shorter side is less than twice as long.
        doublings: streams of the first child double in width from stage to stage, but no more often.
        second: a first child whose first stream is at least so wide has a second convolution behind each
            pooling but the first.
    """

    kernel: int
    least: int
    doublings: int
    second: float = inf


ENTRIES = {"image": Entries(3, 4, 2, second=14), "sequence": Entries(7, 4, 2), "tokens": Entries(3, 16, 1)}
"""By the kind of input."""
ACTIVATION = "silu"
"""Non-linearity of the entries of the first child, and of new blocks: on CIFAR-10 about a point better than
ReLU in the entries, and what a policy has chosen for blocks."""
MOST_POOLING = {"sequence": 4, "tokens": 2}
"""So many entries of the first child over steps pool at most; of more steps they divide by more."""


def dimensions(shape: tuple[int, ...]) -> int:
    """Return along how many dimensions a child convolves: 2 for images (C, H, W), 1 for steps and tokens."""
    return 2 if len(shape) == 3 else 1


def entry_kernel(architecture: Architecture) -> int:
    """Return the side of the kernels of entries."""
    return ENTRIES[architecture.inputs.kind].kernel


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    entries = ENTRIES[inputs.kind]
    divided = _divided_sides if inputs.kind == "image" else _divided_steps
    table = [1] if inputs.vocabulary else []
    strides = [*table, *divided(min(_input_sides(inputs.shape)), inputs.kind), 1]
    last = len(strides) - 1
    room = widths.stages - len(strides) if widths.stream >= entries.second else 0
    stages = []
    for s, stride in enumerate(strides):
        stage = Stage(widths.stream * 2 ** min(s, entries.doublings), stride=stride, activation=ACTIVATION)
        stages.append(stage)
        if 0 < s < last and last - s <= room:  # where room is short, the last poolings have one
            stages.append(replace(stage, stride=1))
    return Architecture("cnn", inputs.shape, inputs.classes, tuple(stages), vocabulary=inputs.vocabulary)


def _divided_sides(side: int, kind: str) -> list[int]:
    """Return the strides of the entries that pool images, in the first child."""
    least = 2 * ENTRIES[kind].least
    first = 2 * 2 ** max(0, ceil(log2(side / MOST_SIDE)))  # it pools as well
    strides = [first] if side >= least else []
    while side // prod(strides) >= least:
        strides.append(2)
    return strides


def _divided_steps(steps: int, kind: str) -> list[int]:
    """Return the strides of the entries that pool steps, in the first child."""
    halvings = max(0, int(log2(steps / ENTRIES[kind].least)))
    pooling = min(halvings, MOST_POOLING[kind])
    return [2 ** ceil((halvings - entry) / pooling) for entry in range(pooling)]


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
    "conv": Kind(_conv, kernels=True, activations=True, activation=ACTIVATION),
    "separable": Kind(_separable, kernels=True, activations=True, activation=ACTIVATION),
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
    recipes={"image": Recipe(rate_width=16, decay_passes=7.0)},
)
