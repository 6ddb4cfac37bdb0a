"""Fully connected children over flattened inputs, or over bags of tokens."""

from math import prod

from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.spec.family import Cost, Family, Kind, Widths, classifier

BAG_WIDTH = 2
"""The first child over texts is so many times as wide: a table of words costs no FLOPs."""


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    width = widths.stream * (BAG_WIDTH if inputs.vocabulary else 1)
    stage = Stage(width, (Block("linear", width),))
    return Architecture("mlp", inputs.shape, inputs.classes, (stage,), vocabulary=inputs.vocabulary)


def _entry(architecture: Architecture, stage: int) -> Cost:
    """Return the cost of a linear map, or of a table of tokens and a mean over them."""
    if stage == 0 and architecture.vocabulary:
        width, steps = architecture.stages[0].width, architecture.input_size
        return Cost(0, architecture.vocabulary * width, 6 * steps + width)  # ids, their counts and weights
    widths = [architecture.input_size, *(stage.width for stage in architecture.stages)]
    before, after = widths[stage : stage + 2]
    return Cost(before * after, before * after + after, before)


def _head(architecture: Architecture) -> Cost:
    """Return the cost of a norm and a classifier."""
    width = architecture.stages[-1].width
    return classifier(width, architecture.classes) + Cost(0, width, width)


def _linear(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    positions = prod(grid)
    return Cost(
        macs=2 * width * block.inner * positions,
        parameters=2 * width * block.inner + block.inner + width + width,
        activations=2 * (width + block.inner) * positions,
    )


KINDS = {"linear": Kind(_linear, activations=True, activation="gelu")}
MLP = Family(
    reads=("vector", "tokens", "image", "sequence"),
    kinds=("linear",),
    width=96,
    optimizer="adamw",
    learning_rate=0.005,
    start=_start,
    grid=lambda architecture, stage: (),
    entry=_entry,
    head=_head,
)
