"""The settings in which growth is measured: few samples and many passes, many samples and few passes."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from mse_rl.agents.controller import run_episode
from mse_rl.config.training import ExpansionConfig, GrowthConfig, OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.data import Task, load_task
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.growth.first_child import with_first_width
from mse_rl.runs.growing import load_controller
from mse_rl.spec import FAMILIES
from mse_rl.spec.architecture import Architecture

DECISIONS = 10


@dataclass(frozen=True)
class Setting:
    """A dataset, and the training FLOPs that are spent on it.

    Args:
        task: the dataset; paths are relative to the data folder.
        resolution: of images, in pixels a side.
        max_train: training samples, with those of validation.
        training_flops: from few passes of the first child to many.
        width: of the first child's first stream; that of the family if not given.
    """

    task: str
    training_flops: tuple[float, ...]
    resolution: int | None = None
    max_train: int | None = None
    width: int | None = None


SETTINGS = {
    "fashion, few": Setting("fashion_mnist", (1.6e9, 1e10, 4e10, 1.6e11), 14, 5_000, 8),
    "cifar10, many": Setting("cifar10", (4e10, 1.6e11, 6.4e11, 2.5e12), 16, None, 8),
    "fashion, many": Setting("fashion_mnist", (4e10, 1.6e11, 6.4e11, 2.5e12), 14, None, 8),
    "texts": Setting("csv:TREC", (3.2e8, 2e9, 8e9, 3.2e10)),
    "table": Setting("npz:tables/satimage.npz", (6.4e8, 4e9, 1.6e10, 6.4e10)),
    "series": Setting("npz:UCR/JapaneseVowels.npz", (6.4e8, 4e9, 1.6e10, 6.4e10)),
}


@dataclass(frozen=True)
class Run:
    """One child.

    Args:
        setting: a key of SETTINGS.
        training_flops: C.
        seed: of first weights, order of data and all else that is drawn.
        controller: a rule, or the folder of a policy.
        budget_multiple: of the first child's FLOPs.
        width: of the first child's first stream, over that of the setting; as ``mse-rl apply`` chooses it
            for the training FLOPs if None.
        rate: learning rate, over the default.
        start: an architecture to start from, with new weights.
    """

    setting: str
    training_flops: float
    seed: int
    controller: str = "wait"
    budget_multiple: float = 16.0
    width: float | None = 1.0
    rate: float = 1.0
    start: Architecture | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a child: accuracies in %, FLOPs of a forward pass, what was spent, passes over the
    data.
    """

    validation: float
    test: float
    flops: int
    training_flops: int
    passes: float
    architecture: Architecture
    last_growth: float


@lru_cache(maxsize=2)
def task_of(name: str, data_dir: Path) -> Task:
    """Load the dataset of a setting."""
    setting = SETTINGS[name]
    source, _, path = setting.task.partition(":")
    full = f"{source}:{data_dir / path}" if path else source
    config = TaskConfig(data_dir=data_dir, resolution=setting.resolution, max_train=setting.max_train)
    return load_task(full, config)


def grow(run: Run, data_dir: Path) -> Outcome:
    """Train one child, with one thread, to the end of its schedule."""
    torch.set_num_threads(1)
    task, setting = task_of(run.setting, data_dir), SETTINGS[run.setting]
    controller, policy = load_controller(run.controller)
    slices = policy.slices if policy else DECISIONS
    growth = GrowthConfig(slices=slices, batch_size=64, training_flops=run.training_flops)
    if policy and policy.transformations:
        growth = replace(growth, transformations=policy.transformations)
    config = ExpansionConfig(task=(task.name,), growth=growth, budget=BudgetConfig(), cache_mb=0)
    env = ExpansionEnv(config, tasks=(task,))
    first = env.first_architecture(Context(0, run.seed, 1.0, 1.0))
    if run.width is None:
        space = with_first_width(config.space, growth, config.budget, env.meter, task, first.family)
    else:
        width = max(2, round((setting.width or FAMILIES[first.family].width) * run.width))
        space = replace(config.space, start_width=width)
    family = OptimizerConfig().of(first.family, task.kind, len(task.train) / growth.batch_size)
    optimizer = replace(family, learning_rate=family.peak_learning_rate * run.rate)
    env = ExpansionEnv(replace(config, space=space, optimizer=optimizer), tasks=(task,), start=run.start)
    context = Context(0, run.seed, run.budget_multiple, 1.0)
    seeds = range(run.seed * slices, (run.seed + 1) * slices)
    episode = run_episode(env, controller, context, seeds=seeds, test=True)
    grown = [
        before["share"]
        for before, after in zip([episode.start, *episode.infos], episode.infos, strict=False)
        if after["flops"] > before["flops"]
    ]
    state = env.process.state
    return Outcome(
        validation=100 * state.validation.accuracy,
        test=100 * (episode.test_accuracy or 0.0),
        flops=state.flops,
        training_flops=state.training_flops,
        passes=state.training_steps * growth.batch_size / len(task.train),
        architecture=state.architecture,
        last_growth=max(grown, default=0.0),
    )
