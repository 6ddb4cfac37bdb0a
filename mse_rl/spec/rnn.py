"""Recurrent children over sequences, tokens, and the rows of images."""

from collections.abc import Callable
from math import prod

from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.spec.family import Cost, Family, Kind, Widths, sequence_entry, sequence_head


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    stage = Stage(widths.stream, (Block("gru", widths.stream, activation="none"),))
    return Architecture("rnn", inputs.shape, inputs.classes, (stage,), vocabulary=inputs.vocabulary)


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return (T,): steps of a sequence, or rows of an image."""
    shape = architecture.input_shape
    return (shape[1],) if len(shape) == 3 else (shape[0],)


def _features(architecture: Architecture) -> int:
    return architecture.input_size // _grid(architecture, 0)[0]


def _entry(architecture: Architecture, stage: int) -> Cost:
    steps = _grid(architecture, 0)[0]
    return sequence_entry(architecture, stage, features=_features(architecture), steps=steps)


def _head(architecture: Architecture) -> Cost:
    return sequence_head(architecture, steps=_grid(architecture, 0)[0])


def _recurrent(gates: int) -> Callable[[Block, int, tuple[int, ...]], Cost]:
    def cost(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
        positions = prod(grid)
        weights = gates * block.inner * (width + block.inner) + block.inner * width
        return Cost(
            macs=weights * positions,
            # two biases of the gates, that of the last map, and the gain of the norm
            parameters=weights + 2 * gates * block.inner + width + width,
            # norm, gates, cell and output; oneDNN's LSTM on CPU has a workspace of several times this
            activations=(4 * width + (gates + 5) * block.inner) * positions,
        )

    return cost


KINDS = {"gru": Kind(_recurrent(3)), "lstm": Kind(_recurrent(4))}
RNN = Family(
    reads=("sequence", "tokens", "image"),
    kinds=("gru", "lstm"),
    width=32,
    optimizer="adamw",
    learning_rate=0.02,
    start=_start,
    grid=_grid,
    entry=_entry,
    head=_head,
)
