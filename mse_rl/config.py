"""One frozen tree of settings for a run; each part is validated when it is made."""

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from mse_rl.budget import FIRST_COST, BudgetConfig, Budgets
from mse_rl.reward import RewardConfig
from mse_rl.search_space import SearchSpace
from mse_rl.validation import MOST, MOST_SEED, require, require_positive, require_within

FIRST_FAMILY = "cnn"
"""The family of children where none is named."""
LEAST_STEPS = 500
"""Training steps of ``apply``, however small the dataset: fewer teach a child little."""
APPLY_LEARNING_RATES = {"sgd": 0.03, "adamw": 0.003}
"""Highest learning rates of ``apply``, where none is given."""


@dataclass(frozen=True)
class TaskConfig:
    """How datasets are found and prepared."""

    data_dir: Path | None = None
    """Where datasets lie or are downloaded to; else the environment's MSE_RL_DATA, else ./data."""
    resolution: int | None = None
    """Resize images to this many pixels a side; as they are if not given."""
    max_train: int | None = None
    """Use at most this many training samples, drawn by class; all if not given."""
    validation_fraction: float = 0.2
    """Share of the training split that is held out to choose on (at most 5,000 samples)."""
    split_seed: int = 0
    """Seed of the validation split and of the draw of max-train."""
    augment: Literal["auto", "none", "crop", "flip", "crop-flip"] = "auto"
    """Random changes of training images; auto: what is right for the dataset."""
    input: Literal["auto", "image", "vector", "sequence", "tokens"] = "auto"
    """What the inputs of npz files are; auto: told by shape and dtype."""

    def __post_init__(self) -> None:
        require_within(self, 4, 1024, "resolution")
        require_within(self, 1, MOST, "max_train")
        require(
            0 < self.validation_fraction < 1,
            f"validation-fraction must lie between 0 and 1, got {self.validation_fraction}",
        )
        require_within(self, 0, MOST_SEED, "split_seed")


@dataclass(frozen=True)
class OptimizerConfig:
    """How a child is trained."""

    optimizer: Literal["auto", "sgd", "adamw"] = "auto"
    """sgd (Nesterov momentum 0.9) or adamw; auto: adamw for rnn and transformer, sgd for the others."""
    learning_rate: float | None = None
    """Highest learning rate; 0.1 for sgd and 0.02 for adamw if not given."""
    learning_rate_floor: float = 0.1
    """The cosine falls to this share of it, so that late growth still learns."""
    weight_decay: float = 5e-4
    """Decay of weights; biases and norms do not decay."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products and convolutions in training; evaluation is always in float32."""

    def __post_init__(self) -> None:
        require_positive(self, "learning_rate")
        require_within(self, 0, 1, "learning_rate_floor", "weight_decay")

    def of(self, family: str) -> "OptimizerConfig":
        """Return the same for children of one family: auto becomes what it stands for."""
        if self.optimizer != "auto":
            return self
        return replace(self, optimizer="adamw" if family in ("rnn", "transformer") else "sgd")

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or (0.02 if self.optimizer == "adamw" else 0.1)


@dataclass(frozen=True, kw_only=True)
class GrowthRules:
    """What may be done to a child, and what ends its growth."""

    transformations: tuple[str, ...] | None = None
    """Names of the transformations that may be used, beside wait; all if not given."""
    new_units: Literal["he", "gradmax"] = "he"
    """How new units get their incoming weights: drawn (He), or those with the largest gradient (GradMax)."""
    skill_tolerance: float = 0.05
    """What shrinks a child is taken back if validation skill is lower by more than this a slice later."""
    target_skill: float | None = None
    """End as soon as validation skill (0 at chance, 1 at perfect) reaches this."""
    time_limit_seconds: float | None = None
    """End after the slice in which this time runs out."""
    memory_budget: int | None = None
    """Most bytes that training a child may take (estimated); no bound if not given."""

    def __post_init__(self) -> None:
        require_within(self, 1, MOST, "memory_budget")
        require_within(self, 0, 1, "skill_tolerance")
        require(
            self.target_skill is None or 0 < self.target_skill <= 1,
            f"target-skill must lie between 0 and 1, got {self.target_skill}",
        )
        require_positive(self, "time_limit_seconds")


@dataclass(frozen=True)
class GrowthConfig(GrowthRules):
    """How one child grows: its family, its schedule, and the rules."""

    family: str = FIRST_FAMILY
    """cnn, mlp, rnn or transformer."""
    slices: int = 10
    """Decisions of an episode; the child trains for one slice after each."""
    slice_steps: int = 15
    """Training steps in a slice."""
    batch_size: int = 32
    """Samples in a training step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(self, 1, MOST, "slices", "slice_steps")
        require_within(self, 2, MOST, "batch_size")  # BatchNorm has no spread over one sample

    @property
    def total_steps(self) -> int:
        """Training steps of the whole schedule."""
        return self.slices * self.slice_steps

    @property
    def total_samples(self) -> int:
        """Training samples of the whole schedule."""
        return self.total_steps * self.batch_size


@dataclass(frozen=True)
class ExpansionConfig:
    """Everything that makes an Expansion environment: tasks, children, schedule, budget, reward."""

    task: tuple[str, ...] = ("digits",)
    """Datasets; an episode draws one."""
    data: TaskConfig = field(default_factory=TaskConfig)
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    space: SearchSpace = field(default_factory=SearchSpace)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    device: str = "cpu"
    """Where children are trained: cpu, cuda, cuda:1, ..."""
    cache_mb: int = 96
    """Memory of the trajectory cache of each worker, in MiB; 0 keeps none in memory."""
    cache_dir: Path | None = None
    """Folder in which all trajectories are kept for later runs; none is kept if not given."""
    cache_dir_mb: int = 4096
    """Most that this folder may take, in MiB; what was not used for longest goes first."""

    def __post_init__(self) -> None:
        require(len(self.task) > 0, "at least one task is needed, got none: name one with --task")
        require_within(self, 0, MOST, "cache_mb")
        require_within(self, 1, MOST, "cache_dir_mb")


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
        require_within(self, 1, MOST, "groups", "epochs")
        require_within(self, 2, MOST, "rollouts")  # they are compared with each other
        require_within(self, 0, 1, "policy_learning_rate", "policy_learning_rate_end", "entropy_weight")
        require(0 < self.clip_range < 1, f"clip-range must lie between 0 and 1, got {self.clip_range}")

    @property
    def episodes_per_update(self) -> int:
        """Episodes between two updates of the policy."""
        return self.groups * self.rollouts


@dataclass(frozen=True)
class TrainConfig:
    """A whole training run of a controller."""

    env: ExpansionConfig = field(default_factory=ExpansionConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    episodes: int = 1152
    """Episodes to learn from; rounded up to whole updates."""
    workers: int = 2
    """Processes that run episodes, each with one thread."""
    seed: int = 0
    """Seed of everything that is drawn."""
    held_out: int = 16
    """Seeds, never trained on, on which the policy is compared with the rules at the end."""
    run_dir: Path | None = None
    """Where the run is kept; runs/TIME if not given."""

    def __post_init__(self) -> None:
        require_within(self, 1, MOST, "episodes", "workers", "held_out")
        require_within(self, 0, MOST_SEED, "seed")
        require(
            self.env.growth.time_limit_seconds is None,
            "rollouts are compared decision by decision, so that training a policy takes no time limit: "
            "leave --time-limit-seconds out, or lower --slices",
        )

    @property
    def updates(self) -> int:
        """Updates of the policy."""
        return -(-self.episodes // self.ppo.episodes_per_update)


@dataclass(frozen=True)
class ApplyConfig(GrowthRules):
    """Growing one child by a rule or a learned policy."""

    controller: str
    """A rule (wait, random, threshold, widen, compress), a run folder, or a policy bundle."""
    task: str
    """The dataset to grow a child on."""
    out: Path | None = None
    """Where the child is kept; runs/TIME if not given."""
    seed: int = 0
    """Seed of first weights, order of data and all else that is drawn."""
    cost: str | None = None
    """What is priced: flops, params or latency; as the policy was trained if not given, or flops. Its budget,
    if not given, is 8 times what the first child costs."""
    epochs: float = 5.0
    """Passes over the training split, but no less than 500 steps; a slice is a share of them."""
    slice_steps: int | None = None
    """Training steps in a slice, instead of what epochs asks for."""
    family: str | None = None
    """cnn, mlp, rnn or transformer; that of the child to start from, or cnn, if not given."""
    slices: int | None = None
    """Decisions; the child trains for one slice after each. As the policy was trained if not given, or 10."""
    batch_size: int = 64
    """Samples in a training step."""
    init: Path | None = None
    """Folder of a child grown before, to start from: what does not fit the task is made new, and a child
    beyond a budget is shrunk until it fits."""
    device: str = "cpu"
    """Where the child is trained: cpu, cuda, cuda:1, ..."""
    data: TaskConfig = field(default_factory=TaskConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    space: SearchSpace = field(default_factory=SearchSpace)
    budget: Budgets = field(default_factory=Budgets)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(self, 1e-6, 1e6, "epochs")
        require_within(self, 0, MOST_SEED, "seed")
        require_within(self, 1, MOST, "slices")
        require_within(self, 2, MOST, "batch_size")
        self.expansion(1, slices=10, reward=RewardConfig())  # so that it complains now

    @property
    def learning_rate(self) -> float:
        """The highest learning rate. A schedule of thousands of steps asks for less than one of hundreds."""
        optimizer = self.optimizer.of(self.family or FIRST_FAMILY)
        return optimizer.learning_rate or APPLY_LEARNING_RATES[optimizer.optimizer]

    def expansion(self, training_samples: int, *, slices: int, reward: RewardConfig) -> ExpansionConfig:
        """Return the environment of the one episode.

        Args:
            training_samples: of the task.
            slices: of the schedule, where this configuration names none.
            reward: what the controller was trained for.
        """
        slices = self.slices or slices
        total = max(LEAST_STEPS, self.epochs * training_samples / self.batch_size)
        steps = round(total / slices)
        growth = GrowthConfig(
            family=self.family or FIRST_FAMILY,
            slices=slices,
            slice_steps=max(1, steps) if self.slice_steps is None else self.slice_steps,
            batch_size=self.batch_size,
            **{rule.name: getattr(self, rule.name) for rule in fields(GrowthRules)},
        )
        return ExpansionConfig(
            task=(self.task,),
            data=self.data,
            growth=growth,
            optimizer=replace(self.optimizer, learning_rate=self.learning_rate),
            space=self.space,
            budget=BudgetConfig(
                cost=self.cost or FIRST_COST,
                **{budget.name: getattr(self.budget, budget.name) for budget in fields(Budgets)},
            ),
            reward=reward,
            device=self.device,
            cache_mb=0,
        )
