"""Controllers compared with each other: same tasks, seeds, orders of data, schedules and budgets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mse_rl.agents.controller import Controller, Episode
from mse_rl.agents.evaluation import compare, figure_of, paired_interval, summarise
from mse_rl.agents.pool import PolicyWeights, Spec, WorkerPool
from mse_rl.config.training import ExpansionConfig
from mse_rl.data import Task
from mse_rl.data.sources import Tell, load_tasks, silent
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig
from mse_rl.runs.growing import load_controller
from mse_rl.runs.policy import Policy
from mse_rl.runs.report import markdown


@dataclass(frozen=True)
class Comparison:
    """What several controllers have made of the same episodes.

    Args:
        episodes: of each controller, by name, in the order of the contexts: one for each task and seed.
    """

    episodes: dict[str, list[Episode]]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Figures of every controller, and the first one's paired differences from the others."""
        return summarise(self.episodes)

    @property
    def table(self) -> str:
        """The summary, in Markdown."""
        return markdown(self.summary)

    def difference(self, one: str, other: str, figure: str = "utility") -> dict[str, float]:
        """Return the mean of the paired differences of two controllers, and its 95% bootstrap interval.

        Args:
            one: name of a controller.
            other: name of the controller that is subtracted.
            figure: utility, validation_skill, test_accuracy, flops, cost or training_flops.

        Returns:
            ``mean``, ``low`` and ``high``.

        Raises:
            InvalidConfig: if there is no such controller or figure.
        """
        for name in (one, other):
            if name not in self.episodes:
                raise InvalidConfig(f"expected one of {', '.join(self.episodes)}, got {name!r}")
        pair = [
            np.array([figure_of(episode, figure) for episode in self.episodes[name]]) for name in (one, other)
        ]
        return paired_interval(pair[0] - pair[1])


def compare_controllers(
    controllers: Mapping[str, str | Controller | Policy],
    tasks: Sequence[Task | str],
    *,
    seeds: Sequence[int],
    config: ExpansionConfig,
    workers: int,
    tell: Tell = silent,
    on_context: Callable[[], None] = lambda: None,
) -> Comparison:
    """Grow a child with every controller on every task with every seed.

    Args:
        controllers: by the names that the comparison has for them: rules, folders of policies, policies, or
            controllers.
        tasks: datasets, or their names.
        seeds: of first weights, order of data, and of what ``config`` leaves to be drawn.
        config: of the environment; its tasks are not used.
        workers: processes that play episodes.
        tell: gets one line for each thing that a user should know about the tasks.
        on_context: called after each task and seed.

    Raises:
        MseRlError: for anything that is wrong with controllers, tasks or settings.
    """
    if not (controllers and tasks and seeds):
        raise InvalidConfig("expected at least one controller, one task and one seed, got none")
    specs = {name: _spec(controller) for name, controller in controllers.items()}
    loaded = [load_tasks((task,), config.data, tell)[0] if isinstance(task, str) else task for task in tasks]
    config = replace(config, task=tuple(task.name for task in loaded))
    env = ExpansionEnv(config, tasks=tuple(loaded))
    contexts = [_context(env, task, seed) for task in range(len(loaded)) for seed in seeds]
    for context in contexts[:: len(seeds)]:
        env.reset(options={"context": context})  # so that what cannot work is said before workers start
    with WorkerPool(env, workers) as pool:
        episodes = compare(
            pool, specs, contexts, seed=0, decisions=config.growth.slices, on_context=on_context
        )
    return Comparison(episodes)


def _spec(controller: str | Controller | Policy) -> Spec:
    """Return what workers make the controller of."""
    policy = controller if isinstance(controller, Policy) else None
    if isinstance(controller, str):
        _, policy = load_controller(controller)
    if policy is not None:
        return PolicyWeights.of(policy.network, draws=False)
    assert not isinstance(controller, Policy)
    return controller


def _context(env: ExpansionEnv, task: int, seed: int) -> Context:
    """Return the context of a task and a seed; what the configuration leaves open is drawn by the seed."""
    return replace(env.draw_context(np.random.default_rng(seed)), task=task, seed=seed)
