"""What a child costs in closed form: FLOPs, parameters, activation memory. No torch here.

One multiply-accumulate is two FLOPs; a training step is counted as three forward passes.
"""

from functools import lru_cache

from mse_rl.spec import ENTRY, FAMILIES, KINDS, Architecture, Block, Cost, Link, Position, Stage

TRAINING_PASSES = 3
"""A training step costs three forward passes: one forward, two backward (inputs and weights)."""


@lru_cache(maxsize=1024)
def _block_cost(block: Block, width: int, grid: tuple[int, ...]) -> Cost:
    return KINDS[block.kind].cost(block, width, grid)


@lru_cache(maxsize=1024)
def _stage_cost(stage: Stage, grid: tuple[int, ...]) -> Cost:
    return sum((_block_cost(block, stage.width, grid) for block in stage.blocks), Cost())


def site_cost(architecture: Architecture, position: Position) -> Cost:
    """Return the cost of the entry or residual block at ``position``."""
    if position.block == ENTRY:
        return FAMILIES[architecture.family].entry(architecture, position.stage)
    grid = FAMILIES[architecture.family].grid(architecture, position.stage)
    return _block_cost(architecture.block(position), architecture.stages[position.stage].width, grid)


def link_cost(architecture: Architecture, link: Link) -> Cost:
    """Return the cost of one link: a projection at every position of the stream that it adds to."""
    before, after = (architecture.stages[end.stage].width for end in link)
    positions = FAMILIES[architecture.family].positions(architecture, link.target.stage)
    return Cost(before * after * positions, before * after, after * positions)


@lru_cache(maxsize=1024)
def cost(architecture: Architecture) -> Cost:
    """Return the cost of the whole child."""
    family = FAMILIES[architecture.family]
    total = family.head(architecture)
    for s, stage in enumerate(architecture.stages):
        total += family.entry(architecture, s) + _stage_cost(stage, family.grid(architecture, s))
    return sum((link_cost(architecture, link) for link in architecture.links), total)


def training_flops(architecture: Architecture, samples: int) -> int:
    """Return the FLOPs spent on training with ``samples`` samples: 3 x forward x samples."""
    return TRAINING_PASSES * cost(architecture).flops * samples


def activation_bytes(architecture: Architecture) -> int:
    """Return an estimate of the bytes that one sample keeps for the backward pass, in float32."""
    return 4 * cost(architecture).activations


def training_bytes(architecture: Architecture, batch_size: int) -> int:
    """Return an estimate of the bytes that training takes: float32 activations of a batch, and
    weights, gradients and two moments of the optimizer.
    """
    return activation_bytes(architecture) * batch_size + 16 * cost(architecture).parameters
