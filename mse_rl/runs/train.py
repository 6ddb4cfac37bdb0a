"""A training run: a controller learns, is compared with the rules, and is kept. It can go on where it was."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mse_rl.agents.pool import require_ray
from mse_rl.agents.spawning import require_spawnable
from mse_rl.config.commands import TrainConfig, workers_of
from mse_rl.data import Task
from mse_rl.data.sources import Tell, load_tasks
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidArchitecture, InvalidConfig, InvalidRun
from mse_rl.files import FileKind, named_path
from mse_rl.runs.checkpoints import Checkpoints
from mse_rl.runs.folders import (
    CONFIG,
    begin,
    changed_versions,
    go_on,
    load_config,
    locked,
    new_folder,
    require_new,
    require_writable,
    write_json,
    writing,
)
from mse_rl.runs.learning import POLICY, SUMMARY, Listener, Setting, run
from mse_rl.runs.machine import (
    check_devices,
    free_memory,
    free_shared_memory,
    largest_child_bytes,
    require_memory,
    require_shared_memory,
)
from mse_rl.runs.policy import Policy, load_policy
from mse_rl.runs.report import markdown

CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class TrainResult:
    """What comes of a training run.

    Args:
        policy: the controller that has learned.
        summary: what ``summary.json`` holds: figures of the policy and of every rule on the held-out
            contexts, and the paired differences between them.
        folder: of the run.
    """

    policy: Policy
    summary: dict[str, Any]
    folder: Path

    @property
    def table(self) -> str:
        """The comparison with the rules, in Markdown."""
        return markdown(self.summary)

    @classmethod
    def of(cls, folder: Path) -> "TrainResult":
        """Return what a finished run has left in its folder."""
        summary = _SUMMARY.load(folder / SUMMARY, _summary_of)
        return cls(load_policy(folder, trust=True), summary, folder)


_SUMMARY = FileKind(
    "the summary of a run", InvalidRun, advice="remove it, and the run goes on from its last checkpoint"
)


def _summary_of(plain: Any) -> dict[str, Any]:
    return {key: plain[key] for key in ("cost_measure", "controllers", "paired")}


def train(
    config: TrainConfig, *, tasks: Sequence[Task] | None = None, listener: Listener | None = None
) -> TrainResult:
    """Train a controller, compare it with the rules on held-out seeds, and keep everything.

    Args:
        config: of the whole run.
        tasks: the datasets; those that ``config`` names if not given.
        listener: is told what happens.

    Raises:
        MseRlError: for anything that is wrong with the settings, before the folder is made; or if the folder
            cannot be written to any more.
    """
    listener = listener or Listener()
    require_new(config.run_dir)
    env, config = _prepared(config, tasks, listener.tell)
    with new_folder(config.run_dir) as folder:
        begin(folder, config)
        listener.tell(
            f"the run is kept in {folder}; to look at it while it goes on: tensorboard --logdir {folder}"
        )
        run(Setting(folder, config, env, listener, Checkpoints(folder / CHECKPOINTS)))
        return TrainResult.of(folder)


def resume(
    folder: str | Path,
    *,
    episodes: int | None = None,
    workers: int | str | None = None,
    tasks: Sequence[Task] | None = None,
    trust: bool = False,
    listener: Listener | None = None,
) -> TrainResult:
    """Go on with a run from its last checkpoint; what comes of it is what would have come without a break.

    Args:
        folder: of the run.
        episodes: to learn from in all; as many as the run was to have if not given.
        workers: processes that play episodes; as many as the run had if not given.
        tasks: the datasets, if the run was given some.
        trust: import the code of others that its settings name.
        listener: is told what happens.

    Raises:
        InvalidRun: if there is no such run, another process is at it, or its files or data have changed.
        MseRlError: for anything else that is wrong.
    """
    listener, folder = listener or Listener(), named_path(folder)
    begun = load_config(folder, TrainConfig, trust=trust)
    config = replace(
        begun,
        episodes=begun.episodes if episodes is None else episodes,
        workers=begun.workers if workers is None else workers,
    )
    if config.updates < begun.updates:
        raise InvalidConfig(f"`episodes` may be raised from {begun.episodes} on, got {episodes}")
    with locked(folder):
        checkpoints = Checkpoints(folder / CHECKPOINTS)
        last = checkpoints.newest(listener.tell)
        if last is None and (folder / POLICY).exists():  # which follows the first checkpoint
            raise InvalidRun(f"expected checkpoints in {folder / CHECKPOINTS}, got none: begin anew")
        if (folder / SUMMARY).is_file() and config.updates == begun.updates:
            listener.tell(
                f"{folder} is finished: it had {config.whole_episodes:,} `episodes`, which may be raised"
            )
            return TrainResult.of(folder)
        env, config = _prepared(config, tasks, listener.tell)
        if changed := changed_versions(folder):
            listener.tell(f"the run may not end as it would have: {changed}")
        with writing(folder):
            (folder / SUMMARY).unlink(missing_ok=True)  # before there are more episodes to learn from
        write_json(folder / CONFIG, config)
        go_on(folder)
        run(Setting(folder, config, env, listener, checkpoints, last))
        return TrainResult.of(folder)


def _prepared(
    config: TrainConfig, tasks: Sequence[Task] | None, tell: Tell
) -> tuple[ExpansionEnv, TrainConfig]:
    """Return the environment of a run, and its settings with the names of the tasks.

    Raises:
        MseRlError: for anything that is wrong with the settings.
    """
    if config.env.cache_dir is not None:
        require_writable(config.env.cache_dir)
    check_devices(config.env.device, config.env.budget.latency_device)
    if tasks is None:
        tasks = load_tasks(config.env.task, config.env.data, tell)
    config = replace(config, env=replace(config.env, task=tuple(task.name for task in tasks)))
    env = ExpansionEnv(config.env, tasks=tuple(tasks))
    on_ray, _ = workers_of(config.workers)
    if on_ray:
        require_ray()
    else:
        require_spawnable(config.env, env.meter)
    torch.set_num_threads(1)  # the workers have the cores; the policy is small
    _try_first_children(env)  # latencies are what they are to the workers, which have one thread each
    require_memory(config, largest_child_bytes(env), free_memory())
    if not on_ray:
        require_shared_memory(env.tasks, free_shared_memory())
    return env, config


def _try_first_children(env: ExpansionEnv) -> None:
    """Begin an episode on every task, so that what cannot work is said before anything is written."""
    budget, growth = env.config.budget, env.config.growth
    for index in range(len(env.tasks)):
        for width in (growth.width_low, growth.width_high):
            context = Context(index, 0, budget.budget_low, growth.passes_low, width)
            try:
                env.reset(options={"context": context})
            except InvalidArchitecture as error:
                if len(env.tasks) == 1:
                    raise
                task = env.tasks[index].name
                raise InvalidArchitecture(
                    f"{task}: {error}, or leave it out, so that each task has a family of its own"
                ) from error
