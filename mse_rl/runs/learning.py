"""A training run as it goes on in its folder: learn, compare with the rules, finish; with its checkpoints."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from stable_baselines3.common.logger import Logger
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from torch.utils.tensorboard.summary import hparams, text

from mse_rl.agents.controller import Episode
from mse_rl.agents.evaluation import (
    Figures,
    compare,
    figures_of,
    held_out_contexts,
    held_out_job,
    rules_and,
    summarise,
)
from mse_rl.agents.grouping import TRAINING, Collector
from mse_rl.agents.jobs import PolicyWeights
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.ppo import GroupedPPO
from mse_rl.config.commands import TrainConfig
from mse_rl.data.sources import Tell, silent
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidRun
from mse_rl.runs.checkpoints import Checkpoint, Checkpoints
from mse_rl.runs.folders import CONFIG, write_json
from mse_rl.runs.logs import EventFile, Log, line_of, scalars, scalars_of
from mse_rl.runs.policy import Experience, Policy, card_of, save_policy
from mse_rl.runs.report import growth_figure, markdown

EPISODES, EVENTS = "episodes.jsonl", "tb/events.out.tfevents"
"""The files that a run adds to."""
WORKERS_LOG = "workers.log"
"""What became of workers that were lost."""
POLICY = "policy"
"""Where the policy of the last update is."""
SUMMARY = "summary.json"
"""The last file of a run: where it is, the run is finished."""
LEARNED = "learned"
"""What the comparison calls the policy."""


@dataclass(frozen=True)
class Listener:
    """Who is told of what happens in a run.

    Args:
        tell: gets one line for each thing that a user should know.
        on_start: called before the first episode, with the folder of the run and the number of episodes that
            it had before.
        on_episode: called after each episode that the policy learns from.
        on_context: called after each held-out context.
    """

    tell: Tell = silent
    on_start: Callable[[Path, int], None] = lambda folder, episodes: None
    on_episode: Callable[[Episode], None] = lambda episode: None
    on_context: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Setting:
    """Where a run takes place, and from where it goes on.

    Args:
        folder: of the run, which is locked.
        config: of the whole run.
        env: with its tasks.
        listener: is told what happens.
        checkpoints: of the run.
        last: the checkpoint to go on from; None at the beginning.
    """

    folder: Path
    config: TrainConfig
    env: ExpansionEnv
    listener: Listener
    checkpoints: Checkpoints
    last: Checkpoint | None = None

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The fingerprints of the tasks."""
        return tuple(task.fingerprint for task in self.env.tasks)

    def log(self, name: str) -> Log:
        """Return a file that the run adds to, as it was at the checkpoint."""
        return Log(self.folder / name, self.last.lengths[name] if self.last else 0)


def run(setting: Setting) -> None:
    """Do what is left of a run.

    Raises:
        InvalidRun: if data or files are not those of the run.
        MseRlError: for anything else that is wrong.
    """
    if setting.last and setting.last.tasks != setting.tasks:
        raise InvalidRun(
            f"expected the data that {setting.folder} has begun with, got others: get them back, or begin "
            "anew"
        )
    with (
        setting.log(EPISODES) as episodes,
        setting.log(EVENTS) as events,
        WorkerPool(
            setting.env,
            setting.config.workers,
            log=setting.folder / WORKERS_LOG,
            timeout_seconds=setting.config.worker_timeout_seconds,
            most_restarts=setting.config.worker_restarts,
        ) as pool,
    ):
        begun = _Run(setting, episodes, events, pool)
        begun.learn()
        begun.compare()
        begun.finish()


class _Run:
    """A run in its process.

    Args:
        setting: where.
        episodes: the file of episodes.
        events: TensorBoard's.
        pool: plays episodes.
    """

    def __init__(self, setting: Setting, episodes: Log, events: Log, pool: WorkerPool) -> None:
        self._setting, self._config, self._env = setting, setting.config, setting.env
        self._logs, self._pool = {EPISODES: episodes, EVENTS: events}, pool
        self._events = EventFile(events, begins=setting.last is None)
        collector = Collector(
            pool,
            rollouts=self._config.ppo.rollouts,
            decisions=self._config.env.growth.slices,
            seed=self._config.seed,
            stream=TRAINING,
        )
        self._ppo = GroupedPPO(
            self._env,
            collector,
            self._config.ppo,
            seed=self._config.seed,
            on_episode=self._log,
            on_update=self._keep_update,
        )
        self._ppo.set_logger(Logger(None, [self._events]))
        self._compared: Figures = {}
        if setting.last is None:
            settings = (setting.folder / CONFIG).read_text()
            self._add_text("config", f"```json\n{settings}```")
        else:
            self._restore(setting.last)
        self._episodes = self._ppo.updates * self._config.ppo.episodes_per_update
        setting.listener.on_start(setting.folder, self._episodes)

    def _restore(self, last: Checkpoint) -> None:
        try:
            self._ppo.restore_(last.learner)
        except ValueError as error:
            raise InvalidRun(
                f"expected a policy as {self._setting.folder} has begun with, got another: go on with the "
                "version of mse-rl that it was begun with, or begin anew"
            ) from error
        if self._ppo.updates == self._config.updates:  # else it was compared when it had fewer to learn from
            self._compared = last.compared

    def learn(self) -> None:
        """Learn from the episodes that are left."""
        self._ppo.learn_until(self._config.updates)

    def _log(self, episode: Episode) -> None:
        self._episodes += 1
        self._events.add(scalars(scalars_of(episode, self._env.actions)), self._episodes)
        self._logs[EPISODES].write(line_of(episode))
        self._setting.listener.on_episode(episode)

    def _keep_update(self) -> None:
        self._keep_checkpoint()
        self._save_policy()

    def _keep_checkpoint(self) -> None:
        lengths = {name: log.kept_length() for name, log in self._logs.items()}
        self._setting.checkpoints.write(
            Checkpoint(self._ppo.capture(), self._setting.tasks, lengths, self._compared)
        )

    def _save_policy(self, table: str = "", **found: Any) -> None:
        """Write the policy as it is, with what was found of it."""
        record = {"config": asdict(self._config), "episodes": self._episodes, **found}
        policy = Policy(self._ppo.network, Experience.of(self._env), record, card_of(record, table))
        save_policy(self._setting.folder / POLICY, policy)

    def compare(self) -> None:
        """Play the held-out contexts that are left with the policy and every rule."""
        done = min((len(figures["utility"]) for figures in self._compared.values()), default=0)
        for _ in range(done):
            self._setting.listener.on_context()
        seed, decisions = self._config.seed, self._config.env.growth.slices
        for played in compare(
            self._pool, rules_and(self._learned), self._contexts, seed=seed, decisions=decisions, done=done
        ):
            more = figures_of({name: [episode] for name, episode in played.items()})
            self._compared = _joined(self._compared, more)
            self._keep_checkpoint()
            self._setting.listener.on_context()

    @property
    def _learned(self) -> PolicyWeights:
        return PolicyWeights.of(self._ppo.network, draws=False)

    @cached_property
    def _contexts(self) -> list[Context]:
        return held_out_contexts(self._env, self._config.seed, self._config.held_out)

    def finish(self) -> None:
        """Write TensorBoard's closing entries, the policy with its record, and, last, the summary."""
        summary = summarise(self._compared, self._config.env.budget.cost)
        table = markdown(summary)
        self._add_text("comparison", table)
        self._events.add(picture("growth/best_episode", self._best_episode(summary)))
        metrics = _metrics(summary)
        for entry in hparams(_hyperparameters(self._config), metrics):  # type: ignore[no-untyped-call]
            self._events.add(entry)
        self._events.add(scalars(metrics))
        self._logs[EVENTS].kept_length()
        self._save_policy(table, paired=summary["paired"])
        write_json(self._setting.folder / SUMMARY, summary)

    def _best_episode(self, summary: dict[str, Any]) -> Figure:
        """Draw the policy's best held-out episode, which is played once more: it may be one of an earlier
        process.
        """
        utilities = summary["controllers"][LEARNED]["utility"]
        best = int(np.argmax(utilities))
        decisions = self._config.env.growth.slices
        job = held_out_job(
            self._learned, self._contexts[best], best, seed=self._config.seed, decisions=decisions
        )
        (episode,) = self._pool.play([job])
        title = f"best held-out episode: utility {utilities[best]:.4f}"
        return growth_figure(title, [episode.start, *episode.infos])

    def _add_text(self, tag: str, content: str) -> None:
        self._events.add(text(tag, content))  # type: ignore[no-untyped-call]


def _joined(figures: Figures, more: Figures) -> Figures:
    return {
        name: {figure: figures.get(name, {}).get(figure, ()) + values for figure, values in own.items()}
        for name, own in more.items()
    }


def picture(tag: str, figure: Figure) -> Summary:
    """Return a figure as TensorBoard's event has it."""
    file = BytesIO()
    figure.savefig(file, format="png")
    width, height = figure.canvas.get_width_height()
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=file.getvalue())
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def _hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Return the settings that TensorBoard lists beside the metrics."""
    return {
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


def _metrics(summary: dict[str, Any]) -> dict[str, float]:
    """Return what the comparison has come to, by tags of TensorBoard."""
    differences = {
        f"held_out/learned_minus_{name}": paired["mean"] for name, paired in summary["paired"].items()
    }
    utilities = summary["controllers"][LEARNED]["utility"]
    return differences | {"held_out/utility": sum(utilities) / len(utilities)}
