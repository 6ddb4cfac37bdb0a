"""The settings of the commands: train, apply and predict."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from mse_rl.config.training import (
    MOST_BATCH,
    ExpansionConfig,
    GrowthConfig,
    GrowthRules,
    OptimizerConfig,
    TaskConfig,
)
from mse_rl.costs.measures import FIRST_COST, BudgetConfig, Budgets
from mse_rl.costs.reward import RewardConfig
from mse_rl.errors import MOST, MOST_SEED, InvalidConfig, brief, fit_types, require, require_within
from mse_rl.plugins import path_of
from mse_rl.spec import SearchSpace

MOST_THREADS = 1024
MOST_SECONDS = 1e6
"""Longest that anything is waited for: clocks of threads take no more than some decades."""
VALIDATION_FRACTION = 0.1
"""Half of what ``train`` holds out, which compares children: one child needs every sample to learn from."""
DEFAULT_CONTROLLER = "balance"
"""The one that measured best (docs/experiments.md)."""


@dataclass(frozen=True)
class PPOConfig:
    """How the controller learns."""

    groups: int = 6
    """Contexts (task, budget, seed) in an update of the policy."""
    rollouts: int = 8
    """Episodes of a context; their returns are compared with each other."""
    epochs: int = 6
    """Passes over the episodes of an update."""
    policy_learning_rate: float = 1.5e-3
    """Learning rate of the policy at the start; it falls linearly."""
    policy_learning_rate_end: float = 2e-4
    """Learning rate of the policy at the end."""
    entropy_weight: float = 0.003
    """Weight of the policy's entropy in its loss."""
    clip_range: float = 0.2
    """How far an update may move the probability of an action, as a share."""

    def __post_init__(self) -> None:
        fit_types(self)
        require_within(self, 1, MOST, "groups", "epochs")
        require_within(self, 2, MOST, "rollouts")  # they are compared with each other
        require_within(self, 0, 1, "policy_learning_rate", "policy_learning_rate_end", "entropy_weight")
        require(0 < self.clip_range < 1, f"`clip_range` must lie between 0 and 1, got {self.clip_range}")

    @property
    def episodes_per_update(self) -> int:
        """Episodes between two updates of the policy."""
        return self.groups * self.rollouts


def workers_of(setting: int | str) -> tuple[bool, int | None]:
    """Return whether workers run on Ray, and how many there are; None for as many as there is room for.

    >>> workers_of(2), workers_of("ray"), workers_of("ray:8")
    ((False, 2), (True, None), (True, 8))

    Raises:
        InvalidConfig: if it is neither a number nor one of these.
    """
    found = re.fullmatch(r"ray|(ray:)?([1-9][0-9]{0,6})", str(setting))
    if found is None:
        raise InvalidConfig(f"`workers` must be a number from 1, ray or ray:8, got {brief(setting, 60)!r}")
    return str(setting).startswith("ray"), int(found[2]) if found[2] else None


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run of a controller."""

    env: ExpansionConfig = field(default_factory=ExpansionConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    episodes: int = 1920
    """Episodes to learn from; rounded up to whole updates."""
    workers: int | str = 2
    """Processes that run episodes, each with one thread; ray or ray:8: as many actors on a Ray cluster."""
    worker_timeout_seconds: float = 1800.0
    """A worker that takes longer to start, or for a slice, counts as hung, and is replaced."""
    worker_restarts: int = 100
    """Workers that may be lost and replaced; one more ends the run."""
    seed: int = 0
    """Seed of everything that is drawn."""
    held_out: int = 32
    """Seeds, never trained on, on which the policy is compared with the rules at the end."""
    run_dir: Path | None = None
    """Where the run is kept; runs/TIME if not given."""

    def __post_init__(self) -> None:
        fit_types(self)
        workers_of(self.workers)
        require_within(self, 1, MOST, "episodes", "held_out")
        require_within(self, 0, MOST, "worker_restarts")
        require_within(self, 1, MOST_SECONDS, "worker_timeout_seconds")
        require_within(self, 0, MOST_SEED, "seed")
        require(
            self.env.growth.time_limit_seconds is None,
            "rollouts are compared decision by decision, so that training a policy takes no time limit: "
            "leave `time_limit_seconds` out, or lower `slices`",
        )

    @property
    def updates(self) -> int:
        """Updates of the policy."""
        return -(-self.episodes // self.ppo.episodes_per_update)

    @property
    def whole_episodes(self) -> int:
        """Episodes to learn from, in whole updates."""
        return self.updates * self.ppo.episodes_per_update


@dataclass(frozen=True)
class ApplyConfig(GrowthRules):
    """Growing one child by a rule or a learned policy."""

    task: str
    """The dataset to grow a child on, or one of your own, my_package.module:thing (docs/extending.md)."""
    controller: str = DEFAULT_CONTROLLER
    """A rule (wait, random, threshold, widen, pace, balance, first_move, compress or static), a
    policy that comes along (small), the folder of a run or policy, or a controller of your own,
    my_package.module:thing (docs/extending.md)."""
    trust_policy: bool = False
    """Import the reward, cost and transformations of others that a policy was trained with."""
    out: Path | None = None
    """Where the child is kept; runs/TIME if not given."""
    seed: int = 0
    """Seed of first weights, order of data and all else that is drawn."""
    cost: str | None = None
    """What is priced: flops, params or latency, or a cost of your own, my_package.module:thing
    (docs/extending.md); as the policy was trained if not given, or flops. Its budget, if not given, is 16
    times what the first child costs."""
    training_flops: float | None = None
    """Training FLOPs, whatever size the child has; if neither these nor minutes nor epochs are given, 2
    TFLOPs, but at most what a number of passes of the first child over the data cost: 100 for images, 200 for
    sequences, 5 to 30 for vectors (with their number), 10 for texts of up to 64 tokens, 5 for longer ones."""
    minutes: float | None = None
    """Choose training-flops for about so many minutes, by a short measurement on this machine."""
    epochs: float | None = None
    """Passes over the training split, whatever they cost, instead of a number of training FLOPs."""
    family: str | None = None
    """cnn, mlp, rnn or transformer; that of the policy or of the child to start from, or the one for what the
    task's inputs are, if not given."""
    slices: int | None = None
    """Decisions; the child trains for one slice after each. As the policy was trained if not given, or 10."""
    batch_size: int | None = None
    """Samples in a training step; 64 if not given, or fewer where there are less than 512 to train on."""
    architecture: Path | None = None
    """Folder of a child grown before, or its architecture.json, to start from with new weights."""
    init: Path | None = None
    """Folder of a child grown before, to start from: what does not fit the task is made new, and a child
    beyond a budget is shrunk until it fits."""
    device: str = "cpu"
    """Where the child is trained: cpu, cuda, cuda:1, ..."""
    refit: bool = True
    """Train the last slice, with the falling learning rate, on the validation samples as well: no decision
    needs them any more. Validation skill is then not measured after it; the test accuracy is."""
    threads: int = 1
    """Threads on the CPU. For children as small as these more are seldom faster, and far slower where other
    processes want the cores, too."""
    data: TaskConfig = field(default_factory=lambda: TaskConfig(validation_fraction=VALIDATION_FRACTION))
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    space: SearchSpace = field(default_factory=SearchSpace)
    budget: Budgets = field(default_factory=Budgets)

    def __post_init__(self) -> None:
        if self.cost is not None:
            object.__setattr__(self, "cost", path_of(self.cost, "cost"))
        super().__post_init__()
        require_within(self, 1e-6, 1e6, "epochs", "minutes")
        require_within(self, 0, MOST_SEED, "seed")
        require_within(self, 1, MOST_THREADS, "threads")
        lengths = [
            name for name in ("training_flops", "minutes", "epochs") if getattr(self, name) is not None
        ]
        require(
            len(lengths) < 2,
            f"the length of training is given by one of `training_flops`, `minutes` and `epochs`, got "
            f"{' and '.join(f'`{name}`' for name in lengths)}: leave all but one out",
        )
        require(
            self.architecture is None or self.init is None,
            "`architecture` starts with new weights, `init` with those of a child, got both: leave one out",
        )
        require(
            self.controller != "static" or self.architecture is not None,
            "static trains an architecture that does not grow, got none: name one as `architecture`",
        )
        self.expansion(slices=10, reward=RewardConfig())  # so that it complains now

    def expansion(
        self, *, slices: int, reward: RewardConfig, training_steps: int | None = None
    ) -> ExpansionConfig:
        """Return the environment of the one episode.

        Args:
            slices: of the schedule, where this configuration names none.
            reward: what the controller was trained for.
            training_steps: that ``epochs`` are; None where the schedule has a number of training FLOPs.
        """
        growth = GrowthConfig(
            family=self.family,
            slices=slices if self.slices is None else self.slices,
            batch_size=MOST_BATCH if self.batch_size is None else self.batch_size,
            training_flops=self.training_flops,
            training_steps=training_steps,
            **{rule.name: getattr(self, rule.name) for rule in fields(GrowthRules)},
        )
        return ExpansionConfig(
            task=(self.task,),
            data=self.data,
            growth=growth,
            optimizer=self.optimizer,
            space=self.space,
            budget=BudgetConfig(
                cost=self.cost or FIRST_COST,
                **{budget.name: getattr(self.budget, budget.name) for budget in fields(Budgets)},
            ),
            reward=reward,
            device=self.device,
            cache_mb=0,
        )


@dataclass(frozen=True)
class PredictConfig:
    """Asking a grown network for the classes of a dataset."""

    child: Path
    """Folder of a child that apply has grown."""
    task: str
    """The dataset whose inputs are read, as the child's own was."""
    split: Literal["train", "test"] = "test"
    """Which of its samples; all of a file that is not split and has no labels."""
    out: Path | None = None
    """A CSV file with a row for each sample: predicted, probability, and label and file where there are
    such; none if not given."""
    data: TaskConfig = field(default_factory=lambda: TaskConfig(validation_fraction=VALIDATION_FRACTION))

    def __post_init__(self) -> None:
        fit_types(self)
