"""What the controller sees: nothing in it is tied to one dataset, size or budget."""

from math import inf, log, log1p, log2, log10
from typing import cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mse_rl.costs import site_cost
from mse_rl.costs.reward import RewardConfig
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import GrowthState
from mse_rl.spec import ACTIVATIONS, ENTRY, FAMILIES, KINDS, Position
from mse_rl.transformations import BlockStatistics

UNSEEN = -2.0
"""Stands for what has not been seen yet; below everything that can be seen."""
HIGH = 8.0
"""Values are scaled to lie around [-1, 1], and clipped to [-1, 8]."""

DECISIONS_LEFT = "decisions_left"
GLOBAL_FEATURES = (
    DECISIONS_LEFT,  # share of them: 1 at the first
    "time_left",  # share of the schedule
    "passes_left",  # over the data, that the rest of the schedule buys at this size; doublings of one, over 8
    "log_compute",  # passes that all of it buys for the first child; doublings of one, over 8
    "stopped",
    "rolled_back",  # whether the last transformation was taken back
    "budget_left",  # doublings of the cost until the budget, over 8; negative beyond it
    "size",  # doublings of the FLOPs that are right for the training FLOPs, over 8; negative below them
    "growth",  # doublings of the cost since the start, over 8
    "training_share",
    "training_loss",  # over ln K: 1 at chance
    "validation_loss",
    "skill",
    "training_loss_change",
    "validation_loss_change",
    "skill_change",
    "generalisation_gap",
    "learning_rate",  # over its peak
    "log_samples",
    "log_classes",
    "depth",
    "cost_weight",
    "training_weight",
)
BLOCK_FEATURES = (
    "present",
    "entry",  # whether it is the entry of a stage; then what only blocks have is 0, or not seen
    *(f"family_{family}" for family in FAMILIES),
    *(f"kind_{kind}" for kind in KINDS),
    *(f"activation_{activation}" for activation in ACTIVATIONS),
    "log_width",
    "log_inner",
    "log_kernel",
    "flops_share",
    "depth_fraction",
    "stage_fraction",
    "gradient_norm",
    "growth_score",
    "dead_fraction",
    "importance",  # over that of the most important block
    "links_in",  # over 4
    "links_out",  # over 4
    "age",  # slices, over the schedule
)

Observation = dict[str, NDArray[np.float32]]


def observation_space(rows: int) -> spaces.Space[Observation]:
    """Return the space of observations of children of at most ``rows`` entries and blocks.

    The table of them is flat, row after row: Stable-Baselines3 takes a Box of two dimensions for
    an image gone wrong.
    """
    boxes: dict[str, spaces.Space[NDArray[np.float32]]] = {
        "globals": spaces.Box(UNSEEN, HIGH, (len(GLOBAL_FEATURES),), np.float32),
        "blocks": spaces.Box(UNSEEN, HIGH, (rows * len(BLOCK_FEATURES),), np.float32),
    }
    # Gymnasium types a Dict by its subspaces, not by what is sampled from it.
    return cast("spaces.Space[Observation]", spaces.Dict(boxes))


def observe(process: GrowthProcess, reward: RewardConfig, rows: int) -> Observation:
    """Return ``globals`` and ``blocks``, as in the space: one row per entry or block, the rest zero."""
    features = _globals(process, reward)
    blocks = np.zeros((rows, len(BLOCK_FEATURES)), np.float32)
    for row, position in enumerate(process.state.architecture.sites):
        features_of = _entry if position.block == ENTRY else _block
        site = _site(process, position, row) | features_of(process, position)
        blocks[row] = _clipped([site.get(name, 0.0) for name in BLOCK_FEATURES])
    return {"globals": _clipped([features[name] for name in GLOBAL_FEATURES]), "blocks": blocks.flatten()}


def _clipped(values: list[float | None]) -> NDArray[np.float32]:
    """Replace None by the sentinel and NaN by the highest value, and clip the rest."""
    return np.array(
        [
            UNSEEN if value is None else max(-1.0, min(HIGH, value)) if value == value else HIGH
            for value in values
        ],
        np.float32,
    )


def _globals(process: GrowthProcess, reward: RewardConfig) -> dict[str, float | None]:
    state, config, chance_loss = process.state, process.config, log(process.task.classes)
    gap = None if state.training_loss is None else state.validation.loss - state.training_loss
    return {
        DECISIONS_LEFT: 1 - state.slice_index / config.slices,
        "time_left": max(0.0, 1 - process.share),
        "passes_left": _doublings(process.passes_left),
        "log_compute": _doublings(process.first_passes),
        "stopped": float(state.stopped),
        "rolled_back": float(state.rolled_back),
        "budget_left": log2(process.cost_budget / process.cost) / 8,
        "size": log2(process.state.flops / process.optimal_flops) / 8,
        "growth": log2(process.cost / process.first_cost) / 8,
        "training_share": process.training_share,
        "training_loss": _over(state.training_loss, chance_loss),
        "validation_loss": state.validation.loss / chance_loss,
        "skill": state.validation.skill,
        **_changes(state, chance_loss),
        "generalisation_gap": _over(gap, chance_loss),
        "learning_rate": process.learning_rate / process.peak_learning_rate,
        "log_samples": log10(len(process.task.train)) / 6,
        "log_classes": log2(process.task.classes) / 10,
        "depth": log2(1 + state.architecture.depth) / 6,
        "cost_weight": 10 * reward.cost_weight,
        "training_weight": 10 * reward.training_weight,
    }


def _doublings(passes: float) -> float:
    """Return how often one pass over the data is to be doubled for so many; -1 and less are one."""
    return max(-1.0, log2(max(passes, 1e-9)) / 8)


def _over(value: float | None, scale: float) -> float | None:
    return None if value is None else value / scale


def _changes(state: GrowthState, chance_loss: float) -> dict[str, float | None]:
    """Return the changes over the last slice; None where there was no slice before."""
    before = state.previous
    training = validation = skill = None
    if before is not None:
        validation = (state.validation.loss - before.validation.loss) / chance_loss
        skill = state.validation.skill - before.validation.skill
        if state.training_loss is not None and before.training_loss is not None:
            training = (state.training_loss - before.training_loss) / chance_loss
    return {
        "training_loss_change": training,
        "validation_loss_change": validation,
        "skill_change": skill,
    }


def _site(process: GrowthProcess, position: Position, row: int) -> dict[str, float | None]:
    """Return the features that entries and blocks share."""
    architecture = process.state.architecture
    return {
        "present": 1.0,
        "entry": float(position.block == ENTRY),
        **{f"family_{family}": float(family == architecture.family) for family in FAMILIES},
        "log_width": log2(architecture.stages[position.stage].width) / 10,
        "flops_share": site_cost(architecture, position).flops / process.state.flops,
        "depth_fraction": row / len(architecture.sites),
        "stage_fraction": position.stage / len(architecture.stages),
        "links_in": sum(link.target == position for link in architecture.links) / 4,
        "links_out": sum(link.source == position for link in architecture.links) / 4,
    }


def _entry(process: GrowthProcess, position: Position) -> dict[str, float | None]:
    """Return the features of entries alone: nothing is measured of their training."""
    return {
        "gradient_norm": None,
        "growth_score": None,
        "dead_fraction": None,
        "importance": None,
        "age": process.state.slice_index / process.config.slices,
    }


def _block(process: GrowthProcess, position: Position) -> dict[str, float | None]:
    """Return the features of blocks alone."""
    state = process.state
    block, seen = state.architecture.block(position), state.statistics.blocks.get(position)
    return {
        **{f"kind_{kind}": float(kind == block.kind) for kind in KINDS},
        **{f"activation_{name}": float(name == block.activation) for name in ACTIVATIONS},
        "log_inner": log2(block.inner) / 10,
        "log_kernel": log2(block.kernel) / 3,
        "gradient_norm": None if seen is None else log1p(seen.gradient_norm),
        "growth_score": None if seen is None else log1p(100 * seen.growth_score) / 4,
        "dead_fraction": None if seen is None else seen.dead_fraction,
        "importance": None if seen is None else _relative_importance(state, seen),
        "age": state.ages[position] / process.config.slices,
    }


def _relative_importance(state: GrowthState, block: BlockStatistics) -> float:
    highest = max(other.importance for other in state.statistics.blocks.values())
    return block.importance / highest if 0 < highest < inf else 0.0
