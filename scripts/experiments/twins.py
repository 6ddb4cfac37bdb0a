"""Does every transformation train? Each is compared with a twin that waited.

    python scripts/experiments/twins.py --family cnn --task digits

For each seed a child is trained for some slices with a few transformations; then it is copied. One copy is
transformed and trains for two slices, the twin waits for two. Same data, order and schedule. Printed is
the difference of the training losses in the second of these slices, with its 95% interval over seeds.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context

import numpy as np
import torch
import tyro
from tyro.conf import OmitArgPrefixes

from mse_rl.agents.evaluation import paired_interval
from mse_rl.config.training import GrowthConfig, OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.data import Task, load_task
from mse_rl.growth.cache import PrefixCache
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import CacheEntry
from mse_rl.spec import SearchSpace
from mse_rl.transformations import TRANSFORMATIONS

PREFIX = ("deepen", "deepen", "widen_stream_x2", "widen_inner_x2", "link", "wait")
"""What is done to the child before it is copied."""


@dataclass(frozen=True)
class Arguments:
    """The experiment."""

    family: str = "cnn"
    task: str = "digits"
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    slice_steps: int = 40
    start_width: int = 8
    learning_rate: float | None = None
    workers: int = 2
    data: TaskConfig = field(default_factory=TaskConfig)


def grown(
    arguments: Arguments,
    task: Task,
    prefix: tuple[str, ...],
    *,
    slices: int,
    seed: int,
    cache: PrefixCache[CacheEntry] | None = None,
) -> GrowthProcess:
    """Return a process after some transformations: the first that begins with each name of ``prefix``."""
    process = GrowthProcess(
        task,
        GrowthConfig(
            family=arguments.family,
            slices=slices,
            training_steps=slices * arguments.slice_steps,
            decision_share=1.0,
            skill_tolerance=1.0,
        ),
        optimizer=OptimizerConfig(learning_rate=arguments.learning_rate),
        space=SearchSpace(start_width=arguments.start_width, head_width=arguments.start_width),
        seed=seed,
        budget=BudgetConfig(flops_budget=10**12),
        cache=cache,
    )
    for name in prefix:
        process.advance(*next(choice for choice in process.choices() if choice[0].startswith(name)))
    return process


def main(arguments: Arguments) -> None:
    """Run every seed, and print the table."""
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        results = list(pool.map(one_seed, repeat(arguments), arguments.seeds))
    waited = np.array([losses["wait"] for losses in results])
    print(f"{arguments.family} on {arguments.task}: the twin's loss is {waited.mean():.4f}\n")
    print("| transformation | loss - the twin's [95%] | above by more than noise |")
    print("| --- | --- | --- |")
    for name in results[0]:
        if name != "wait":
            gap = paired_interval(np.array([losses[name] for losses in results]) - waited)
            above = "yes" if gap["low"] > 0 else "no"
            print(f"| {name} | {gap['mean']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}] | {above} |")


def one_seed(arguments: Arguments, seed: int) -> dict[str, float]:
    """Return, for each transformation that is legal, the loss in the second slice after it."""
    torch.set_num_threads(1)
    task = load_task(arguments.task, arguments.data)
    cache: PrefixCache[CacheEntry] = PrefixCache(1 << 28)
    losses: dict[str, float] = {}
    for name in TRANSFORMATIONS:
        process = grown(arguments, task, PREFIX, slices=len(PREFIX) + 2, seed=seed, cache=cache)
        targets = [target for choice, target in process.choices() if choice == name]
        if targets and not TRANSFORMATIONS[name].ends_growth:
            process.advance(name, targets[-1])
            state = process.advance("wait")
            assert state.training_loss is not None
            losses[name] = state.training_loss
    return losses


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
