"""Episodes without an environment, for tests of what learns from them."""

import numpy as np

from mse_rl.agents.controller import Episode
from mse_rl.envs.actions import ActionTable
from mse_rl.envs.expansion import Context
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES

CONTEXT = Context(task=0, seed=0, budget_multiple=2.0, passes=1.0)
ROWS = 6
ACTIONS = len(ActionTable(ROWS))


def observation(marker=0.0, sites=3):
    """Return an observation of a child of three different sites; ``marker`` tells it from others."""
    rng = np.random.default_rng(1)
    globals_ = np.zeros(len(GLOBAL_FEATURES), np.float32)
    globals_[0] = marker
    table = np.zeros((ROWS, len(BLOCK_FEATURES)), np.float32)
    table[:sites] = rng.uniform(-1, 1, (sites, len(BLOCK_FEATURES)))
    table[:sites, 0] = 1
    return {"globals": globals_, "blocks": table.reshape(-1)}


def episode(actions, rewards, *, markers=None, masks=None, context=CONTEXT):
    """Return an episode of these decisions."""
    return Episode(
        context=context,
        observations=[observation(marker) for marker in markers or [0.0] * len(actions)],
        masks=masks or [np.ones(ACTIONS, bool)] * len(actions),
        actions=list(actions),
        rewards=list(rewards),
        infos=[{"fault": None, "failed": False}] * len(actions),
        start={},
        cached_slices=0,
        seconds=1.0,
        child_seconds=0.75,
    )


def comparable(played):
    """Return all of an episode but how long it took, and how much of it came from a cache."""
    arrays = [*played.masks, *(array for step in played.observations for array in step.values())]
    numbers = played.context, played.actions, played.rewards, played.infos, played.start, played.test_accuracy
    return numbers, [array.tobytes() for array in arrays]
