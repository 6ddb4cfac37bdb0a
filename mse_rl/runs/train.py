"""A training run: a controller learns, is compared with the rules, and is kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, TensorBoardOutputFormat, configure
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from mse_rl.agents.controller import Episode
from mse_rl.agents.evaluation import compare, held_out_contexts, rules_and, summarise
from mse_rl.agents.grouping import TRAINING, Collector
from mse_rl.agents.jobs import PolicyWeights
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.ppo import BlockPolicy, EpisodeWriter, GroupedPPO
from mse_rl.agents.spawning import require_spawnable
from mse_rl.config.commands import TrainConfig, workers_of
from mse_rl.data import Task
from mse_rl.data.sources import Tell, load_tasks, silent
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidArchitecture
from mse_rl.runs.folders import begin, new_directory, require_writable, write_json
from mse_rl.runs.machine import (
    check_devices,
    free_memory,
    free_shared_memory,
    largest_child_bytes,
    require_memory,
    require_shared_memory,
)
from mse_rl.runs.policy import Experience, Policy, card_of, load_policy, save_policy
from mse_rl.runs.report import growth_figure, markdown


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


def train(
    config: TrainConfig,
    *,
    tasks: Sequence[Task] | None = None,
    tell: Tell = silent,
    on_start: Callable[[Path], None] = lambda folder: None,
    on_episode: Callable[[Episode], None] = lambda episode: None,
    on_context: Callable[[], None] = lambda: None,
) -> TrainResult:
    """Train a controller, compare it with the rules on held-out seeds, and keep everything.

    Args:
        config: of the whole run.
        tasks: the datasets; those that ``config`` names if not given.
        tell: gets one line for each thing that a user should know.
        on_start: called before the first episode, with the folder of the run.
        on_episode: called after each episode that the policy learns from.
        on_context: called after each held-out context.

    Raises:
        MseRlError: for anything that is wrong with the settings, before the folder is made.
    """
    folder = new_directory(config.run_dir)
    if config.env.cache_dir is not None:
        require_writable(config.env.cache_dir)
    check_devices(config.env.device, config.env.budget.latency_device)
    if tasks is None:
        tasks = load_tasks(config.env.task, config.env.data, tell)
    config = replace(config, env=replace(config.env, task=tuple(task.name for task in tasks)))
    env = ExpansionEnv(config.env, tasks=tuple(tasks))
    on_ray, _ = workers_of(config.workers)
    if not on_ray:
        require_spawnable(config.env, env.meter)
    torch.set_num_threads(1)  # the workers have the cores; the policy is small
    _try_first_children(env)  # latencies are what they are to the workers, which have one thread each
    require_memory(config, largest_child_bytes(env), free_memory())
    if not on_ray:
        require_shared_memory(env.tasks, free_shared_memory())
    begin(folder, config)
    tell(f"the run is kept in {folder}; to look at it while it goes on: tensorboard --logdir {folder}")
    on_start(folder)
    logger = configure(str(folder / "tb"), ["tensorboard"])
    writer = _writer_of(logger)
    writer.add_text("config", f"```json\n{(folder / 'config.json').read_text()}```")
    with WorkerPool(
        env,
        config.workers,
        log=folder / "workers.log",
        timeout_seconds=config.worker_timeout_seconds,
        most_restarts=config.worker_restarts,
    ) as pool:
        learned = _learn(config, env, pool, logger, folder, on_episode)
        _save(folder, env, config, learned, _episodes(config))  # nothing is lost with the comparison
        episodes = _compare(config, env, pool, learned, on_context)
    summary = summarise(episodes)
    _keep(folder, env, config, summary, learned, writer, episodes["learned"])
    return TrainResult(load_policy(folder, trust=True), summary, folder)


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


def _writer_of(logger: Logger) -> SummaryWriter:
    """Return Stable-Baselines3's own writer: TensorBoard reads a second file in a folder late."""
    output = logger.output_formats[0]
    assert isinstance(output, TensorBoardOutputFormat)
    assert output.writer is not None
    return output.writer


def _learn(
    config: TrainConfig,
    env: ExpansionEnv,
    pool: WorkerPool,
    logger: Logger,
    folder: Path,
    on_episode: Callable[[Episode], None],
) -> BlockPolicy:
    total = _episodes(config)
    scalars = EpisodeWriter(_writer_of(logger), env.actions)
    with (folder / "episodes.jsonl").open("w", buffering=1) as lines:

        def keep(episode: Episode) -> None:
            scalars.write(episode)
            lines.write(json.dumps(_line(episode)) + "\n")
            on_episode(episode)

        collector = Collector(
            pool,
            rollouts=config.ppo.rollouts,
            decisions=config.env.growth.slices,
            seed=config.seed,
            stream=TRAINING,
        )
        ppo = GroupedPPO(env, collector, config.ppo, seed=config.seed, on_episode=keep)
        ppo.set_logger(logger)
        slices = config.env.growth.slices
        keeper = _PolicyKeeper(lambda policy, steps: _save(folder, env, config, policy, steps // slices))
        ppo.learn(total * slices, callback=keeper, log_interval=1)
        logger.dump(ppo.num_timesteps)
    assert isinstance(ppo.policy, BlockPolicy)
    return ppo.policy


def _episodes(config: TrainConfig) -> int:
    """Return the number of episodes to learn from, in whole updates."""
    return config.updates * config.ppo.episodes_per_update


class _PolicyKeeper(BaseCallback):
    """Keeps the policy after each update, so that an interrupted run leaves one that can be applied.

    Args:
        keep: gets the policy, and the number of decisions that it has learned from.
    """

    def __init__(self, keep: Callable[[BlockPolicy, int], None]) -> None:
        super().__init__()
        self._keep = keep

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps:
            assert isinstance(self.model.policy, BlockPolicy)
            self._keep(self.model.policy, self.model.num_timesteps)

    def _on_step(self) -> bool:
        return True


def _line(episode: Episode) -> dict[str, Any]:
    """Return the record of an episode in ``episodes.jsonl``."""
    final = episode.final
    return {
        "return": episode.total_return,
        **{key: final[key] for key in _KEPT if key in final},
        "cached_slices": episode.cached_slices,
        "faults": [info["fault"] for info in episode.infos if info["fault"]],
        "seed": episode.context.seed,
        "decisions": [[info["transformation"], info["target"]] for info in episode.infos],
    }


def _compare(
    config: TrainConfig,
    env: ExpansionEnv,
    pool: WorkerPool,
    policy: BlockPolicy,
    on_context: Callable[[], None],
) -> dict[str, list[Episode]]:
    return compare(
        pool,
        rules_and(PolicyWeights.of(policy.network, draws=False)),
        held_out_contexts(env, config.seed, config.held_out),
        seed=config.seed,
        decisions=config.env.growth.slices,
        on_context=on_context,
    )


def _keep(
    folder: Path,
    env: ExpansionEnv,
    config: TrainConfig,
    summary: dict[str, Any],
    policy: BlockPolicy,
    writer: SummaryWriter,
    learned: list[Episode],
) -> None:
    """Write summary, policy, and TensorBoard's closing entries."""
    table = markdown(summary)
    _save(folder, env, config, policy, _episodes(config), table, paired=summary["paired"])
    write_json(folder / "summary.json", summary)
    writer.add_text("comparison", table)
    best = max(learned, key=lambda episode: float(episode.final["utility"]))
    title = f"best held-out episode: utility {best.final['utility']:.4f}"
    writer.add_figure("growth/best_episode", growth_figure(title, [best.start, *best.infos]))
    _write_hparams(writer, config, summary)
    writer.flush()


def _save(
    folder: Path,
    env: ExpansionEnv,
    config: TrainConfig,
    policy: BlockPolicy,
    episodes: int,
    table: str = "",
    **found: Any,
) -> None:
    """Write the policy as it is after so many episodes, with what was found of it."""
    record = {"config": asdict(config), "episodes": episodes, **found}
    save_policy(folder / "policy", Policy(policy.network, Experience.of(env), record, card_of(record, table)))


def _write_hparams(writer: SummaryWriter, config: TrainConfig, summary: dict[str, Any]) -> None:
    """Write settings with their metrics, into the run itself instead of a run below it."""
    settings = {
        "task": ",".join(config.env.task),
        "family": config.env.growth.family or "by input",
        "slices": config.env.growth.slices,
        "reward": config.env.reward.reward,
        "cost": config.env.budget.cost,
        "cost_weight": config.env.reward.cost_weight,
        "training_weight": config.env.reward.training_weight,
        "episodes": config.episodes,
        "seed": config.seed,
        **asdict(config.ppo),
    }
    metrics: dict[str, float] = {
        f"held_out/learned_minus_{name}": paired["mean"] for name, paired in summary["paired"].items()
    }
    utilities = summary["controllers"]["learned"]["utility"]
    metrics["held_out/utility"] = sum(utilities) / len(utilities)
    for entry in hparams(settings, metrics):  # type: ignore[no-untyped-call]
        assert writer.file_writer is not None
        writer.file_writer.add_summary(entry)
    for name, value in metrics.items():
        writer.add_scalar(name, value)


_KEPT = (
    "task",
    "utility",
    "skill",
    "flops",
    "params",
    "latency_ms",
    "latency_spread_ms",
    "cost_measure",
    "cost",
    "cost_budget",
    "training_flops",
    "failed",
)
"""What ``episodes.jsonl`` has of the info at an episode's end; latencies where they are measured."""
