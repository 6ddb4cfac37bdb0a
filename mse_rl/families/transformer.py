"""Transformers over sequences, tokens, and the patches of images."""

from collections.abc import Iterator
from math import ceil, log2

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.families.base import Cost, Family, Inputs, Kind, Widths
from mse_rl.families.sequences import sequence_frame


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    attention = Block("attention", widths.head, activation="none", head_width=widths.head)
    stage = Stage(widths.stream, (attention, Block("linear", widths.stream, activation="gelu")))
    image = inputs.kind == "image"
    return Architecture(
        "transformer",
        inputs.shape,
        inputs.classes,
        (stage,),
        # 4 to 8 patches a side
        stem_stride=2 ** max(0, int(log2(min(inputs.shape[1:]))) - 2) if image else 1,
        vocabulary=inputs.vocabulary,
    )


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return (T,): steps of a sequence, or patches of an image."""
    shape, patch = architecture.input_shape, architecture.stem_stride
    return (ceil(shape[1] / patch) * ceil(shape[2] / patch),) if len(shape) == 3 else (shape[0],)


def _frame(architecture: Architecture) -> Iterator[Cost]:
    shape, (steps,) = architecture.input_shape, _grid(architecture, 0)
    features = {3: shape[0] * architecture.stem_stride**2, 2: shape[-1], 1: 0}[len(shape)]
    width = architecture.stages[0].width
    yield from sequence_frame(architecture, features, steps)
    yield Cost(0, steps * width, 0)  # what each position is


def _attention(block: Block, width: int, positions: int) -> Cost:
    weights = 4 * width * block.inner
    heads = block.inner // block.head_width
    return Cost(
        # queries, keys, values and the last map; scores; what the scores weigh
        macs=weights * positions + 2 * block.inner * positions**2,
        parameters=weights + width + width,
        activations=(4 * width + 4 * block.inner + heads * positions) * positions,
    )


KINDS = {"attention": Kind(_attention, heads=True)}
TRANSFORMER = Family(
    reads=("tokens", "sequence", "image"),
    kinds=("attention", "linear"),
    start=_start,
    grid=_grid,
    frame=_frame,
)
