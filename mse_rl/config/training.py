"""The settings of children and their environment; each part is checked when it is made."""

from dataclasses import dataclass, field, replace
from math import ceil, inf
from pathlib import Path
from typing import Literal

from mse_rl.costs import TRAINING_PASSES
from mse_rl.costs.compute_optimal import Schedule
from mse_rl.costs.measures import BudgetConfig
from mse_rl.costs.reward import RewardConfig
from mse_rl.errors import MOST, MOST_SEED, InvalidConfig, fit_types, require, require_positive, require_within
from mse_rl.plugins import paths_of
from mse_rl.spec import FAMILIES, Recipe, SearchSpace

PEAK_LEARNING_RATES = {"sgd": 0.1, "adamw": 0.01, "muon": 0.1}
"""Highest learning rates where the optimizer is named and none is given."""
MOST_RATE_MULTIPLE = 4.0
"""The rate of no width is more times higher or lower."""
MOST_DECAY = 0.1
"""The largest decay that follows the number of samples; over images less than a thousand reach it."""
WEIGHT_DECAY = 5e-4
"""Where it does not follow it."""
MOST_BATCH = 64
LEAST_BATCH = 16
"""Samples in a training step, where none are given."""


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
    """Share of the training split that is held out to choose on (at most 2,000 samples)."""
    split_seed: int = 0
    """Seed of the validation split and of the draw of max-train."""
    augment: Literal["auto", "none", "crop", "flip", "crop-flip"] = "auto"
    """Random changes of training images; auto: what is right for the dataset."""
    follow_links: bool = False
    """Read class folders that are links out of the folder of images; they are refused if not."""
    input: Literal["auto", "image", "vector", "sequence", "tokens"] = "auto"
    """What the inputs of npz files are; auto: told by shape and dtype."""
    label: str | None = None
    """Column of csv files that holds the labels, by name or number; the one called label, target, class or y,
    else the last, if not given."""

    def __post_init__(self) -> None:
        fit_types(self)
        require_within(self, 4, 1024, "resolution")
        require_within(self, 1, MOST, "max_train")
        require(
            0 < self.validation_fraction < 1,
            f"`validation_fraction` must lie between 0 and 1, got {self.validation_fraction}",
        )
        require_within(self, 0, MOST_SEED, "split_seed")


@dataclass(frozen=True)
class OptimizerConfig:
    """How a child is trained."""

    optimizer: Literal["auto", "sgd", "adamw", "muon"] = "auto"
    """sgd (Nesterov momentum 0.9), adamw or muon; auto: what measured best for the family."""
    learning_rate: float | None = None
    """Highest learning rate; what measured best for the optimizer, and with auto for the family, if not
    given."""
    learning_rate_width: int | None = None
    """Width of the first stream for which the learning rate is meant: it is as many times lower as a child is
    wider, at most 4 times, and as many times higher as it is narrower. If not given: 16 for images read by
    cnn with auto, where the learning rate is not given either; else the rate is the same for every width."""
    learning_rate_hold: float = 0.6
    """The learning rate is constant up to this share of the schedule, then it falls linearly to zero."""
    weight_decay: float | None = None
    """Decay of weights; biases and norms do not decay. If not given: for images read by cnn, with auto, what
    leaves 1/e of a weight after 7 passes over the data, at most 0.1; else 0.0005."""
    label_smoothing: float = 0.1
    """Share of each label that is spread over all classes in training."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of matrix products and convolutions in training; evaluation is always in float32."""

    def __post_init__(self) -> None:
        fit_types(self)
        require_positive(self, "learning_rate")
        require_within(self, 1, MOST, "learning_rate_width")
        require_within(self, 0, 1, "learning_rate_hold", "weight_decay")
        require(
            0 <= self.label_smoothing < 1,
            f"`label_smoothing` must be at least 0 and below 1, got {self.label_smoothing}",
        )

    def of(self, family: str, kind: str = "", pass_steps: float = inf) -> "OptimizerConfig":
        """Return the same for children of one family: auto becomes what it stands for.

        Args:
            family: of the child.
            kind: of its inputs.
            pass_steps: training steps of a pass over the data.
        """
        if self.optimizer != "auto":
            return self
        own = FAMILIES[family]
        recipe = own.recipes.get(kind, Recipe())
        rate, decay, width = self.learning_rate, self.weight_decay, self.learning_rate_width
        if rate is None:
            rate, width = own.learning_rate, width or recipe.rate_width
        if decay is None and recipe.decay_passes is not None and pass_steps < inf:
            decay = min(MOST_DECAY, 1 / (rate * recipe.decay_passes * pass_steps))
        return replace(
            self,
            optimizer=own.optimizer,
            learning_rate=rate,
            weight_decay=decay,
            learning_rate_width=width,
        )

    def peak_at(self, width: int) -> float:
        """Return the learning rate at its highest, for a child with a first stream of this width."""
        multiple = (self.learning_rate_width or width) / width
        return self.peak_learning_rate * min(max(multiple, 1 / MOST_RATE_MULTIPLE), MOST_RATE_MULTIPLE)

    @property
    def decay(self) -> float:
        """The weight decay."""
        return WEIGHT_DECAY if self.weight_decay is None else self.weight_decay

    @property
    def peak_learning_rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or PEAK_LEARNING_RATES[self.optimizer]


def default_batch_size(samples: int) -> int:
    """Return the samples in a training step: the power of two that makes 8 to 16 steps of a pass, but at
    least ``LEAST_BATCH`` (where there are as many) and at most ``MOST_BATCH``.

    >>> [default_batch_size(samples) for samples in (40, 300, 600, 50_000)]
    [16, 32, 64, 64]
    """
    batch = 1 << max(0, (samples // 8).bit_length() - 1)
    return min(max(LEAST_BATCH, batch), MOST_BATCH, samples)


@dataclass(frozen=True, kw_only=True)
class GrowthRules:
    """What may be done to a child, and what ends its growth."""

    transformations: tuple[str, ...] | None = None
    """Names of the transformations that may be used, beside wait; all if not given. One of your own is named
    by where it is imported from, as my_package.module:thing."""
    new_units: Literal["he", "gradmax"] = "he"
    """How new units get their incoming weights: drawn (He), or those with the largest gradient (GradMax)."""
    skill_tolerance: float = 0.05
    """A shrinking transformation is undone if validation skill is lower by more than this a slice later."""
    target_skill: float | None = None
    """End as soon as validation skill (0 at chance, 1 at perfect) reaches this."""
    time_limit_seconds: float | None = None
    """End after the slice in which this time runs out."""
    slice_limit_seconds: float | None = None
    """A slice that trains for longer is taken back; at the second one the growth ends, and has failed."""
    memory_budget: int | None = None
    """Maximum bytes that training a child may take (estimated); no bound if not given."""

    def __post_init__(self) -> None:
        if self.transformations is not None:  # from Python they may be objects as well
            object.__setattr__(self, "transformations", paths_of(self.transformations, "transformation"))
        fit_types(self)
        require_within(self, 1, MOST, "memory_budget")
        require_within(self, 0, 1, "skill_tolerance")
        require(
            self.target_skill is None or 0 < self.target_skill <= 1,
            f"`target_skill` must lie between 0 and 1, got {self.target_skill}",
        )
        require_positive(self, "time_limit_seconds", "slice_limit_seconds")


@dataclass(frozen=True)
class GrowthConfig(GrowthRules):
    """How one child grows: its family, its schedule, and the rules."""

    family: str | None = None
    """cnn, mlp, rnn or transformer; the one for what the task's inputs are if not given."""
    slices: int = 10
    """Decisions of an episode; the child trains for one slice after each."""
    batch_size: int = 64
    """Samples in a training step."""
    training_flops: float | None = None
    """Training FLOPs of an episode; drawn for every episode if neither these nor training-steps are given."""
    training_steps: int | None = None
    """Training steps of an episode, whatever the child costs, instead of training FLOPs."""
    passes_low: float = 2.0
    """Training FLOPs are drawn log-uniformly for every episode, from what so many passes of the first child
    over the data cost ..."""
    passes_high: float = 128.0
    """... to what so many cost."""
    width_low: float = 0.125
    """The width of the first child is drawn log-uniformly for every episode, if start-width is not given,
    from so many times that of its family ..."""
    width_high: float = 0.5
    """... to so many times."""
    decision_share: float = 0.6
    """Decisions are spread evenly over this share of the schedule; the last slice takes what is left."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_within(self, 1, MOST, "slices", "training_flops", "training_steps")
        require_within(self, 2, MOST, "batch_size")  # BatchNorm has no spread over one sample
        require(
            self.training_flops is None or self.training_steps is None,
            "a schedule has `training_flops` or `training_steps`, got both: leave one out",
        )
        require(
            0 < self.passes_low <= self.passes_high < inf,
            "training FLOPs are drawn from 0 < `passes_low` <= `passes_high`, "
            f"got {self.passes_low} and {self.passes_high}",
        )
        require(
            0 < self.width_low <= self.width_high < inf,
            "first widths are drawn from 0 < `width_low` <= `width_high`, "
            f"got {self.width_low} and {self.width_high}",
        )
        require(
            0 < self.decision_share <= 1,
            f"`decision_share` must be above 0 and at most 1, got {self.decision_share}",
        )

    @property
    def schedule(self) -> Schedule:
        """The schedule of the episode.

        Raises:
            InvalidConfig: if its length is not given.
        """
        counts_steps = self.training_steps is not None
        total = self.training_steps if counts_steps else self.training_flops
        if total is None:
            raise InvalidConfig("a schedule needs a length: give training_flops or training_steps")
        return Schedule(int(total), counts_steps, self.slices, self.batch_size, self.decision_share)

    def completed(self, first_flops: int, samples: int, passes: float) -> "GrowthConfig":
        """Return the same with a length: what ``passes`` over the data cost for the first child, if none is
        given, but at least a training step of it for every slice.
        """
        if self.training_flops is not None or self.training_steps is not None:
            return self
        least = (ceil(self.slices / self.decision_share) + 1) * self.batch_size
        seen = max(samples * passes, least)
        return replace(self, training_flops=float(TRAINING_PASSES * first_flops * seen))


@dataclass(frozen=True)
class ExpansionConfig:
    """Everything that makes an Expansion environment: tasks, children, schedule, budget, reward."""

    task: tuple[str, ...] = ("digits", "digit_sums", "teacher")
    """Datasets; an episode draws one. One of your own is my_package.module:thing (docs/extending.md)."""
    data: TaskConfig = field(default_factory=TaskConfig)
    growth: GrowthConfig = field(default_factory=GrowthConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    space: SearchSpace = field(default_factory=SearchSpace)
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    reward: RewardConfig = field(default_factory=RewardConfig)
    device: str = "cpu"
    """Where children are trained: cpu, cuda, cuda:1, ..."""
    cache_mb: int = 96
    """Memory of the prefix cache of each worker, in MiB; 0 keeps none in memory."""
    cache_dir: Path | None = None
    """Folder in which all prefixes are kept for later runs; none is kept if not given."""
    cache_dir_mb: int = 4096
    """Maximum size of this folder, in MiB; the least recently used entries are deleted first."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "task", paths_of(self.task, "task"))
        fit_types(self)
        require(len(self.task) > 0, "at least one task is needed, got none: name one as `task`")
        require_within(self, 0, MOST, "cache_mb")
        require_within(self, 1, MOST, "cache_dir_mb")
