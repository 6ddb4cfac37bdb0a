"""Compress a trained child to half its FLOPs, and train what came of it from scratch for comparison.

    python scripts/experiments/compression.py --seeds 0 1 2

For each seed: a wide child is trained; ``compress`` shrinks it to half its FLOPs and trains on; the
architecture that came of it is trained from new weights, once with the training FLOPs of the compression
alone, once with those of wide training and compression together. Prints a table in Markdown. The test
split is touched once by each, at its end.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
import torch
import tyro
from tyro.conf import OmitArgPrefixes

from mse_rl.agents.evaluation import paired_interval
from mse_rl.agents.rules import least_loss
from mse_rl.config.training import GrowthConfig, OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.data import load_task
from mse_rl.growth.process import GrowthProcess
from mse_rl.networks import Child
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import Architecture
from mse_rl.transformations import WAIT

SLICES, BATCH_SIZE = 10, 64
CHILDREN = (
    "wide",
    "compressed",
    "from scratch, same FLOPs as compression",
    "from scratch, same FLOPs in all",
)


@dataclass(frozen=True)
class Arguments:
    """The experiment."""

    seeds: tuple[int, ...] = (0, 1, 2)
    task: str = "fashion_mnist"
    start_width: int = 32
    """Width of the first stream of the wide child."""
    epochs: float = 5.0
    """Passes over the training split for the wide child."""
    compression_epochs: float = 3.0
    """Passes over it while it is compressed, and after."""
    share: float = 0.5
    """FLOPs budget, over those of the wide child."""
    learning_rate: float | None = None
    """Highest learning rate; that of the family if not given."""
    workers: int = 2
    data: TaskConfig = field(default_factory=lambda: TaskConfig(max_train=12_000))


@dataclass(frozen=True)
class Result:
    """What came of one child."""

    skill: float
    test_accuracy: float
    flops: int
    training_flops: int


def main(arguments: Arguments) -> None:
    """Run every seed, and print the table."""
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        results = list(pool.map(one_seed, [arguments] * len(arguments.seeds), arguments.seeds))
    print("| child | validation skill | of the wide one's | test accuracy | MFLOPs | training TFLOPs |")
    print("| --- | --- | --- | --- | --- | --- |")
    skills = {name: np.array([result[name].skill for result in results]) for name in CHILDREN}
    for name in CHILDREN:
        rows = [result[name] for result in results]
        share = paired_interval(skills[name] / skills["wide"])
        print(
            f"| {name} | {skills[name].mean():.4f} | {share['mean']:.1%} | "
            f"{np.mean([row.test_accuracy for row in rows]):.2%} | "
            f"{np.mean([row.flops for row in rows]) / 1e6:.2f} | "
            f"{np.mean([row.training_flops for row in rows]) / 1e12:.2f} |"
        )
    for name in CHILDREN[2:]:
        gain = paired_interval(skills["compressed"] - skills[name])
        print(f"\ncompressed - {name}: {gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]")


def one_seed(arguments: Arguments, seed: int) -> dict[str, Result]:
    """Return the outcome of each child."""
    torch.set_num_threads(1)
    task = load_task(arguments.task, arguments.data)

    def grown(
        growth: GrowthConfig,
        *,
        budget: int = 10**12,
        init: Child | None = None,
        start: Architecture | None = None,
    ) -> GrowthProcess:
        process = GrowthProcess(
            task,
            growth,
            optimizer=OptimizerConfig(learning_rate=arguments.learning_rate),
            space=SearchSpace(start_width=arguments.start_width),
            seed=seed,
            budget=BudgetConfig(flops_budget=budget),
            init=init,
            start=start,
        )
        while not process.finished:
            process.advance(*(WAIT if process.fits else least_loss(process)))
        return process

    def passes(epochs: float) -> GrowthConfig:
        slice_steps = max(1, round(epochs * len(task.train) / BATCH_SIZE / SLICES))
        return GrowthConfig(
            slices=SLICES, batch_size=BATCH_SIZE, training_steps=SLICES * slice_steps, decision_share=1.0
        )

    wide = grown(passes(arguments.epochs))
    budget = int(wide.state.flops * arguments.share)
    small = grown(passes(arguments.compression_epochs), budget=budget, init=wide.child)
    spent = small.state.training_flops
    controls = [
        grown(
            GrowthConfig(slices=SLICES, batch_size=BATCH_SIZE, training_flops=flops),
            start=small.state.architecture,
        )
        for flops in (spent, spent + wide.state.training_flops)
    ]
    return {
        name: Result(
            process.state.validation.skill,
            process.test().accuracy,
            process.state.flops,
            process.state.training_flops,
        )
        for name, process in zip(CHILDREN, (wide, small, *controls), strict=True)
    }


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
