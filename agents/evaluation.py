"""How a policy compares with the rules: same tasks, seeds, orders of data, schedules and budgets."""

from collections.abc import Iterator, Mapping, Sequence
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
    done: int = 0,
) -> Iterator[dict[str, Episode]]:
    """Grow a child with every controller in every context; test accuracy is measured once for each.

    Args:
        pool: plays the episodes.
        controllers: by name.
        contexts: to play.
        seed: of the controllers' random numbers.
        decisions: of an episode.
        done: contexts at the beginning that have been played before.

    Yields:
        For each context the episodes of all controllers, as soon as they are done.
    """
    jobs = [
        held_out_job(controller, context, index, seed=seed, decisions=decisions)
        for index, context in enumerate(contexts)
        if index >= done
        for controller in controllers.values()
    ]
    played = pool.play(jobs)
    for _ in contexts[done:]:
        yield {name: next(played) for name in controllers}


def held_out_job(controller: Spec, context: Context, index: int, *, seed: int, decisions: int) -> Job:
    """Return the episode of a controller in the held-out context of that index."""
    return Job(controller, context, draw_seeds(seed, HELD_OUT, index, decisions=decisions), test=True)


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


Figures = dict[str, dict[str, tuple[int | float, ...]]]
"""For each controller, by name, every one of ``FIGURES``, with a value for each context."""


def figures_of(episodes: Mapping[str, Sequence[Episode]]) -> Figures:
    """Return the figures of every controller's episodes."""
    return {
        name: {figure: tuple(figure_of(episode, figure) for episode in played) for figure in FIGURES}
        for name, played in episodes.items()
    }


def summarise(figures: Figures, cost_measure: str) -> dict[str, Any]:
    """Return what ``summary.json`` holds: figures of every controller, and the first one's paired differences
    from the others.

    Args:
        figures: of every controller; in ``mse-rl train`` those of ``"learned"`` come first.
        cost_measure: what was priced.
    """
    first, *others = figures
    utilities = np.array(figures[first]["utility"])
    paired = {name: paired_interval(utilities - np.array(figures[name]["utility"])) for name in others}
    controllers = {
        name: {figure: list(values) for figure, values in own.items()} for name, own in figures.items()
    }
    return {"cost_measure": cost_measure, "controllers": controllers, "paired": paired}
