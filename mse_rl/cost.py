"""What an architecture costs, in closed form: FLOPs, parameters, activation memory. No torch here.

1 multiply-accumulate = 2 FLOPs. Counted are the convolutions and matrix products, as torch's
``FlopCounterMode`` counts them; norms, activations and additions are not.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil

from mse_rl.architecture import Architecture, Block, Position

TRAINING_PASSES = 3
"""A training step costs three forward passes: one forward, two backward (inputs and weights)."""


@dataclass(frozen=True)
class Cost:
    """The price of one part of a child.

    Args:
        macs: multiply-accumulates of a forward pass of one sample.
        parameters: number of trainable values.
        activations: number of values that one sample keeps for the backward pass.
    """

    macs: int = 0
    parameters: int = 0
    activations: int = 0

    @property
    def flops(self) -> int:
        """FLOPs of a forward pass of one sample."""
        return 2 * self.macs

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            self.macs + other.macs,
            self.parameters + other.parameters,
            self.activations + other.activations,
        )


def resolution(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return the (height, width) of the stream of ``stage``; () where inputs have no pixels."""
    if architecture.family != "cnn":
        return ()
    strides = [architecture.stem_stride] + [2] * stage
    sides = list(architecture.input_shape[1:])
    for stride in strides:
        sides = [ceil(side / stride) for side in sides]
    return tuple(sides)


def _positions(architecture: Architecture, stage: int) -> int:
    count = 1
    for side in resolution(architecture, stage):
        count *= side
    return count


def _conv_block(block: Block, width: int, positions: int) -> Cost:
    area = block.kernel**2
    return Cost(
        macs=2 * area * width * block.inner * positions,
        # two kernels, the bias of the second, and scale and shift of both norms
        parameters=2 * area * width * block.inner + width + 2 * width + 2 * block.inner,
        # inputs of both norms, both activations and both convolutions
        activations=3 * (width + block.inner) * positions,
    )


def _linear_block(block: Block, width: int, positions: int) -> Cost:
    return Cost(
        macs=2 * width * block.inner * positions,
        parameters=2 * width * block.inner + block.inner + width + width,
        activations=2 * (width + block.inner) * positions,
    )


BLOCK_COSTS: dict[str, Callable[[Block, int, int], Cost]] = {
    "conv": _conv_block,
    "linear": _linear_block,
}
"""Cost of each kind of block, from (block, stream width, number of positions)."""


def block_cost(architecture: Architecture, position: Position) -> Cost:
    """Return the cost of one residual block."""
    block = architecture.block(position)
    width = architecture.stages[position.stage].width
    return BLOCK_COSTS[block.kind](block, width, _positions(architecture, position.stage))


def _cnn_frame(architecture: Architecture) -> Iterator[Cost]:
    """Yield stem, transitions between stages, and head: 3x3 convolutions, norm and classifier."""
    widths = [architecture.input_shape[0], *(stage.width for stage in architecture.stages)]
    for stage, (before, after) in enumerate(pairwise(widths)):
        positions = _positions(architecture, stage)
        yield Cost(9 * before * after * positions, 9 * before * after, before * positions)
    last = _positions(architecture, len(architecture.stages) - 1)
    yield _classifier(widths[-1], architecture.classes) + Cost(0, 2 * widths[-1], 2 * widths[-1] * last)


def _mlp_frame(architecture: Architecture) -> Iterator[Cost]:
    """Yield stem, transitions between stages, and head: linear maps, norm and classifier."""
    widths = [architecture.input_size, *(stage.width for stage in architecture.stages)]
    for before, after in pairwise(widths):
        yield Cost(before * after, before * after + after, before)
    yield _classifier(widths[-1], architecture.classes) + Cost(0, widths[-1], widths[-1])


def _classifier(width: int, classes: int) -> Cost:
    return Cost(width * classes, width * classes + classes, width)


FRAME_COSTS: dict[str, Callable[[Architecture], Iterator[Cost]]] = {
    "cnn": _cnn_frame,
    "mlp": _mlp_frame,
}
"""Cost of all that is not a residual block, of each family."""


@lru_cache(maxsize=8192)
def cost(architecture: Architecture) -> Cost:
    """Return the cost of the whole child."""
    blocks = (block_cost(architecture, position) for position, _ in architecture)
    return sum((*FRAME_COSTS[architecture.family](architecture), *blocks), Cost())


def training_flops(architecture: Architecture, samples: int) -> int:
    """Return the FLOPs spent on training with ``samples`` samples: 3 x forward x samples."""
    return TRAINING_PASSES * cost(architecture).flops * samples


def training_bytes(architecture: Architecture, batch_size: int) -> int:
    """Return an estimate of the bytes that training takes: float32 activations of a batch, and
    weights, gradients and two moments of the optimizer.
    """
    total = cost(architecture)
    return 4 * (total.activations * batch_size + 4 * total.parameters)
