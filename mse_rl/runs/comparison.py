"""Controllers compared with each other: same tasks, seeds, orders of data, schedules and budgets."""

import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mse_rl.agents.controller import Controller, Episode, own_controller
from mse_rl.agents.evaluation import compare, figure_of, figures_of, paired_interval, summarise
from mse_rl.agents.jobs import PolicyWeights, Spec
from mse_rl.agents.pool import WorkerPool
from mse_rl.config.commands import workers_of
from mse_rl.config.training import ExpansionConfig
from mse_rl.data import Task
from mse_rl.data.sources import Tell, load_tasks, silent
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import MOST_SEED, InvalidConfig, InvalidController
from mse_rl.plugins import in_short, label
from mse_rl.runs.growing import load_controller
from mse_rl.runs.policy import Policy
from mse_rl.runs.report import markdown

AnyController = str | Path | Policy | Controller | Callable[[], Controller]
"""A rule's name, a policy, its name or its folder, a controller, or what makes one."""


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
        played = next(iter(self.episodes.values()))
        return summarise(figures_of(self.episodes), played[0].final["cost_measure"])

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
    controllers: Mapping[str, AnyController],
    tasks: Sequence[Task | str],
    *,
    seeds: Iterable[int],
    config: ExpansionConfig,
    workers: int | str,
    tell: Tell = silent,
    on_context: Callable[[], None] = lambda: None,
) -> Comparison:
    """Grow a child with every controller on every task with every seed.

    Args:
        controllers: by the names that the comparison has for them.
        tasks: datasets, or their names.
        seeds: of first weights, order of data, and of what ``config`` leaves to be drawn.
        config: of the environment; its tasks are not used.
        workers: processes that play episodes; or ``"ray"``, ``"ray:8"``: actors on a Ray cluster.
        tell: gets one line for each thing that a user should know about the tasks.
        on_context: called after each task and seed.

    Raises:
        MseRlError: for anything that is wrong with controllers, tasks or settings.
    """
    _check(controllers, tasks, config, workers)
    if not isinstance(seeds, Iterable):
        raise InvalidConfig(f"expected several seeds, got {in_short(seeds)}: range(8), say")
    seeds = [_seed(seed) for seed in seeds]
    if not (len(controllers) and len(tasks) and seeds):
        raise InvalidConfig("expected at least one controller, one task and one seed, got none")
    specs = {name: _spec(controller) for name, controller in controllers.items()}
    loaded = [load_tasks((task,), config.data, tell)[0] if isinstance(task, str) else task for task in tasks]
    config = replace(config, task=tuple(task.name for task in loaded))
    env = ExpansionEnv(config, tasks=tuple(loaded))
    contexts = [_context(env, task, seed) for task in range(len(loaded)) for seed in seeds]
    for context in contexts[:: len(seeds)]:
        env.reset(options={"context": context})  # so that what cannot work is said before workers start
    episodes: dict[str, list[Episode]] = {name: [] for name in specs}
    with WorkerPool(env, workers) as pool:
        for played in compare(pool, specs, contexts, seed=0, decisions=config.growth.slices):
            for name, episode in played.items():
                episodes[name].append(episode)
            on_context()
    return Comparison(episodes)


def _check(controllers: object, tasks: object, config: object, workers: int | str) -> None:
    """Raise InvalidConfig unless these are of the types that ``compare_controllers`` takes."""
    if not isinstance(controllers, Mapping) or not all(isinstance(name, str) for name in controllers):
        raise InvalidConfig(f"expected controllers as a dict by their names, got {in_short(controllers)}")
    if isinstance(tasks, str) or not isinstance(tasks, Sequence):
        raise InvalidConfig(f"expected a list of tasks, got {in_short(tasks)}")
    if wrong := [task for task in tasks if not isinstance(task, str | Task)]:
        raise InvalidConfig(f"expected tasks or their names, got {in_short(wrong[0])}: see Task.from_arrays")
    if not isinstance(config, ExpansionConfig):
        raise InvalidConfig(f"expected an ExpansionConfig, got {in_short(config)}")
    workers_of(workers)


def _seed(seed: object) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= MOST_SEED:
        raise InvalidConfig(
            f"expected seeds as whole numbers from 0 to {MOST_SEED}, got {in_short(seed)}: range(8), say"
        )
    return int(seed)


def _spec(controller: AnyController) -> Spec:
    """Return the description from which workers build the controller."""
    if isinstance(controller, str | Path):
        name = str(controller)
        if name.partition(":")[0] == "static":
            raise InvalidController("static trains an architecture that was grown before: use wait, or apply")
        _, policy = load_controller(name)
        return PolicyWeights.of(policy.network, draws=False) if policy else name
    if isinstance(controller, Policy):
        return PolicyWeights.of(controller.network, draws=False)
    name = label(controller)
    own = own_controller(controller, name)
    try:
        pickle.dumps(own)
    except Exception as error:
        raise InvalidController(
            f"expected a controller that can be sent to workers, got {name} ({in_short(error)}): define its "
            "class at the top of a module"
        ) from error
    return own


def _context(env: ExpansionEnv, task: int, seed: int) -> Context:
    """Return the context of a task and a seed; what the configuration leaves open is drawn by the seed."""
    return replace(env.draw_context(np.random.default_rng(seed)), task=task, seed=seed)
