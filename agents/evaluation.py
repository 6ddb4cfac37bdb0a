"""How a policy compares with the rules: same tasks, seeds, orders of data, schedules and budgets."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.agents.grouping import HELD_OUT, context_of, draw_seeds
from mse_rl.agents.pool import Job, PolicyWeights, WorkerPool
from mse_rl.agents.rollout import Episode
from mse_rl.agents.rules import GROWING_RULES
from mse_rl.envs.expansion import Context, ExpansionEnv

RESAMPLES = 10_000
"""Resamples of a bootstrap interval."""


def held_out_contexts(env: ExpansionEnv, seed: int, number: int) -> list[Context]:
    """Return contexts of a run that its training never draws."""
    return [context_of(env, seed, HELD_OUT, index) for index in range(number)]


def compare(
    pool: WorkerPool,
    controllers: dict[str, str | PolicyWeights],
    contexts: list[Context],
    *,
    seed: int,
    decisions: int,
    on_context: Callable[[], None] = lambda: None,
) -> dict[str, list[Episode]]:
    """Let every controller grow a child in every context; test accuracy is measured once for each.

    Returns:
        For each controller its episodes, in the order of ``contexts``.
    """
    jobs = [
        Job(
            controller,
            context,
            draw_seeds(seed, HELD_OUT, index, decisions=decisions),
            test=True,
        )
        for index, context in enumerate(contexts)
        for controller in controllers.values()
    ]
    episodes: dict[str, list[Episode]] = {name: [] for name in controllers}
    played = pool.play(jobs)
    for _ in contexts:
        for name in controllers:
            episodes[name].append(next(played))
        on_context()
    return episodes


def rules_and(learned: PolicyWeights) -> dict[str, str | PolicyWeights]:
    """Return the learned policy and every rule that grows children, by name."""
    return {"learned": learned, **{name: name for name in GROWING_RULES}}


def paired_interval(differences: NDArray[np.float64], *, seed: int = 0) -> dict[str, float]:
    """Return the mean of paired differences (n,) and its 95% percentile bootstrap interval.

    Efron and Tibshirani, 1993.
    """
    rng = np.random.default_rng(seed)
    means = rng.choice(differences, (RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return {"mean": float(differences.mean()), "low": float(low), "high": float(high)}


def summarise(episodes: dict[str, list[Episode]]) -> dict[str, Any]:
    """Return what ``summary.json`` holds: figures of every controller, and paired differences.

    Args:
        episodes: from ``compare``, of ``"learned"`` and others.
    """
    controllers = {
        name: {
            "utility": [episode.final["utility"] for episode in played],
            "validation_skill": [episode.final["skill"] for episode in played],
            "test_accuracy": [episode.test_accuracy for episode in played],
            "flops": [episode.final["flops"] for episode in played],
            "cost": [episode.final["cost"] for episode in played],
            "training_flops": [episode.final["training_flops"] for episode in played],
        }
        for name, played in episodes.items()
    }
    own = np.array(controllers["learned"]["utility"])
    paired = {
        name: paired_interval(own - np.array(figures["utility"]))
        for name, figures in controllers.items()
        if name != "learned"
    }
    measure = episodes["learned"][0].final["cost_measure"]
    return {"cost_measure": measure, "controllers": controllers, "paired": paired}
