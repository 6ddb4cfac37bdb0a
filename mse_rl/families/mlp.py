"""Fully connected children over flattened inputs."""

from collections.abc import Iterator
from itertools import pairwise

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.families.base import Cost, Family, Inputs, Kind, Widths, classifier


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    stage = Stage(widths.stream, (Block("linear", widths.stream),))
    return Architecture("mlp", inputs.shape, inputs.classes, (stage,))


def _frame(architecture: Architecture) -> Iterator[Cost]:
    """Yield stem, transitions between stages, and head: linear maps, norm and classifier."""
    widths = [architecture.input_size, *(stage.width for stage in architecture.stages)]
    for before, after in pairwise(widths):
        yield Cost(before * after, before * after + after, before)
    yield classifier(widths[-1], architecture.classes) + Cost(0, widths[-1], widths[-1])


def _linear(block: Block, width: int, positions: int) -> Cost:
    return Cost(
        macs=2 * width * block.inner * positions,
        parameters=2 * width * block.inner + block.inner + width + width,
        activations=2 * (width + block.inner) * positions,
    )


KINDS = {"linear": Kind(_linear, activations=True)}
MLP = Family(
    reads=("vector", "image", "sequence"),
    kinds=("linear",),
    start=_start,
    grid=lambda architecture, stage: (),
    frame=_frame,
)
