"""How a policy compares with the rules: same tasks, seeds, orders of data, schedules and budgets."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.agents.controller import Episode
from mse_rl.agents.grouping import HELD_OUT, context_of, draw_seeds
from mse_rl.agents.jobs import Job, PolicyWeights, Spec
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.rules import GROWING_RULES
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, unknown_name

RESAMPLES = 10_000
"""Resamples of a bootstrap interval."""
FIGURES = {
    "utility": "utility",
    "validation_skill": "skill",
    "test_accuracy": None,
    "flops": "flops",
    "cost": "cost",
    "training_flops": "training_flops",
}
"""What episodes are compared by, and what the environment's info calls it; that has no test accuracy."""


def held_out_contexts(env: ExpansionEnv, seed: int, number: int) -> list[Context]:
    """Return contexts of a run that its training never draws."""
    return [context_of(env, seed, HELD_OUT, index) for index in range(number)]


def compare(
    pool: WorkerPool,
    controllers: Mapping[str, Spec],
    contexts: list[Context],
    *,
    seed: int,
    decisions: int,
    on_context: Callable[[], None] = lambda: None,
) -> dict[str, list[Episode]]:
    """Grow a child with every controller in every context; test accuracy is measured once for each.

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


def figure_of(episode: Episode, figure: str) -> float:
    """Return one of ``FIGURES`` of an episode.

    Raises:
        InvalidConfig: if it is none of them.
    """
    if figure not in FIGURES:
        raise InvalidConfig(unknown_name("figure", figure, FIGURES))
    key = FIGURES[figure]
    value: float = episode.final[key] if key else episode.test_accuracy or 0.0
    return value


def summarise(episodes: dict[str, list[Episode]]) -> dict[str, Any]:
    """Return the content of ``summary.json``: figures of every controller, and the paired differences of
    the first one from the others.

    Args:
        episodes: from ``compare``; in ``mse-rl train`` those of ``"learned"`` come first.
    """
    controllers = {
        name: {figure: [figure_of(episode, figure) for episode in played] for figure in FIGURES}
        for name, played in episodes.items()
    }
    first, *others = controllers
    own = np.array(controllers[first]["utility"])
    paired = {name: paired_interval(own - np.array(controllers[name]["utility"])) for name in others}
    measure = episodes[first][0].final["cost_measure"]
    return {"cost_measure": measure, "controllers": controllers, "paired": paired}
