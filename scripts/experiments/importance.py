"""Does it matter what goes? Shrinking by importance, with and without folding, against other choices.

    python scripts/experiments/importance.py --family cnn --task digits

For each seed a child is trained, as in twins.py; then each shrinking of units or streams is applied to a
copy at each of its targets. Printed is by how much the validation loss rises at once, before any training:
when what goes is chosen by the importance that the slice has told (as it is done), by the size of weights,
or at random, and when the mean of what goes is folded into biases or lost.
"""

from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from dataclasses import replace
from itertools import product, repeat
from multiprocessing import get_context

import numpy as np
import torch
import tyro
from torch import Tensor
from twins import Arguments, grown
from tyro.conf import OmitArgPrefixes

from mse_rl.agents.evaluation import paired_interval
from mse_rl.config.training import OptimizerConfig
from mse_rl.data import load_task
from mse_rl.networks import Child
from mse_rl.training import evaluate, make_optimizer
from mse_rl.transformations import TRANSFORMATIONS, ChildStatistics, InputStatistics, Probe, apply

PREFIX = ("wait", "deepen", "widen_stream_x2", "widen_inner_x2", "wait", "wait")
SHRINKING = ("narrow_inner_x0.75", "narrow_inner_x0.5", "narrow_stream_x0.75", "narrow_stream_x0.5")
CRITERIA = ("importance", "size of weights", "random")
FOLDING = (True, False)


def main(arguments: Arguments) -> None:
    """Run every seed, and print the table."""
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        results = list(pool.map(one_seed, repeat(arguments), arguments.seeds))
    print(f"{arguments.family} on {arguments.task}: rise of the validation loss [95%]\n")
    columns = [f"{criterion}{'' if folds else ', not folded'}" for criterion, folds in results[0]]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}")
    intervals = [paired_interval(np.array([result[key] for result in results])) for key in results[0]]
    print("| " + " | ".join(f"{i['mean']:.3f} [{i['low']:.3f}, {i['high']:.3f}]" for i in intervals) + " |")


def one_seed(arguments: Arguments, seed: int) -> dict[tuple[str, bool], float]:
    """Return the mean rise over transformations and targets, for each way to choose and to fold."""
    torch.set_num_threads(1)
    task = load_task(arguments.task, arguments.data)
    process = grown(arguments, task, PREFIX, slices=len(PREFIX), seed=seed)
    rng = np.random.default_rng(seed)
    rises: dict[tuple[str, bool], list[float]] = {key: [] for key in product(CRITERIA, FOLDING)}
    for name in SHRINKING:
        for target in TRANSFORMATIONS[name].targets(process.state.architecture):
            for (criterion, folds), rise in rises.items():
                child = deepcopy(process.child)
                told = _told(process.state.statistics, child, criterion, folds=folds, rng=rng)
                small, _ = apply(
                    TRANSFORMATIONS[name],
                    target,
                    child,
                    make_optimizer(child, OptimizerConfig()),
                    space=process.space,
                    probe=Probe(task.train.x[:16], task.train.y[:16]),
                    generator=torch.Generator().manual_seed(0),
                    statistics=told,
                )
                rise.append(evaluate(small, task.validation).loss - process.state.validation.loss)
    return {key: float(np.mean(rise)) for key, rise in rises.items()}


def _told(
    seen: ChildStatistics, child: Child, criterion: str, *, folds: bool, rng: np.random.Generator
) -> ChildStatistics:
    """Return statistics that lead to another choice of what goes, or to no folding."""

    def reading(old: InputStatistics, *readers: Tensor) -> InputStatistics:
        importance = old.importance
        if criterion == "size of weights":
            sizes = [reader.detach().square().transpose(0, 1).flatten(1).sum(1) for reader in readers]
            importance = tuple(torch.stack(sizes).sum(0).tolist())
        elif criterion == "random":
            importance = tuple(rng.random(len(importance)))
        return InputStatistics(importance, old.mean if folds else (0.0,) * len(old.mean))

    blocks = {
        position: replace(
            block,
            stream=reading(block.stream, *child.block(position).stream_readers),
            units=reading(block.units, *child.block(position).unit_readers),
        )
        for position, block in seen.blocks.items()
    }
    exits = {stage: reading(old, child.leaving(stage).weight) for stage, old in seen.exits.items()}
    links = {link: reading(old, child.link(link).weight) for link, old in seen.links.items()}
    return ChildStatistics(blocks, exits, links)


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
