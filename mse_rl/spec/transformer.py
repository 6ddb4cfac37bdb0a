"""Transformers over sequences, tokens, and the patches of images."""

from math import ceil, log2, prod

from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.spec.family import Cost, Family, Kind, Widths, sequence_entry, sequence_head


def _start(inputs: Inputs, widths: Widths) -> Architecture:
    attention = Block("attention", widths.head, activation="none", head_width=widths.head)
    blocks = (attention, Block("linear", widths.stream, activation="gelu"))
    # 4 to 8 patches a side
    patch = 2 ** max(0, int(log2(min(inputs.shape[1:]))) - 2) if inputs.kind == "image" else 1
    stage = Stage(widths.stream, blocks, patch)
    return Architecture("transformer", inputs.shape, inputs.classes, (stage,), vocabulary=inputs.vocabulary)


def _grid(architecture: Architecture, stage: int) -> tuple[int, ...]:
    """Return (T,): steps of a sequence, or patches of an image."""
    shape, patch = architecture.input_shape, architecture.stages[0].stride
    return (ceil(shape[1] / patch) * ceil(shape[2] / patch),) if len(shape) == 3 else (shape[0],)


def _entry(architecture: Architecture, stage: int) -> Cost:
    shape, (steps,) = architecture.input_shape, _grid(architecture, 0)
    features = {3: shape[0] * architecture.stages[0].stride ** 2, 2: shape[-1], 1: 0}[len(shape)]
    positions = Cost(0, 0 if stage else steps * architecture.stages[0].width, 0)
    return positions + sequence_entry(architecture, stage, features=features, steps=steps)


def _head(architecture: Architecture) -> Cost:
    return sequence_head(architecture, steps=_grid(architecture, 0)[0])


def _attention(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    positions = prod(grid)
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
    width=32,
    optimizer="muon",
    learning_rate=0.1,
    start=_start,
    grid=_grid,
    entry=_entry,
    head=_head,
)
