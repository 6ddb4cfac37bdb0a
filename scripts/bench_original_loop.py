"""How fast children train here, against the loop that the method was first described with.

    python scripts/bench_original_loop.py

Both train the same network, the first child of the cnn family for images of 32x32, on MNIST, in batches of
100 and on the same cores. What is compared, in training samples per second:
- the original loop: torchvision's MNIST, resized, made a tensor and normalised image by image, in a
  DataLoader with two workers and shuffling; SGD with momentum. Training alone, and as written: every 10
  iterations it evaluates all 10,000 test images, through a DataLoader like the first. Once with two threads,
  torch's default on two cores, and once with one, which leaves more to the workers;
- the engine: a task in memory, ``train_slice_``, and an evaluation of the validation split after each slice,
  10 of them an epoch, for that is when a controller decides. In one process with one thread, and in two at
  once, over the same span of time; the samples per second of both are added.

All take turns, and each warms up before it is timed. Prints a line of JSON for every round, then for one
process and for two the median samples per second and their ratios to the original loop, training alone and as
written, each with the number of threads with which it is faster.
"""

import json
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, count, repeat
from multiprocessing import get_context
from threading import Barrier

import torch
import tyro
from torch import Tensor
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Normalize, Resize, ToTensor

from mse_rl.config import OptimizerConfig, TaskConfig
from mse_rl.data import load_task
from mse_rl.data.download import data_dir
from mse_rl.families import Inputs
from mse_rl.networks import Child, build_child
from mse_rl.search_space import SearchSpace, starting_architecture
from mse_rl.training import BatchOrder, evaluate, make_optimizer, train_slice_

BATCH_SIZE, EVALUATED_EVERY, DECISIONS = 100, 10, 10
"""Samples in a batch; iterations of the original loop between evaluations; slices of an epoch here."""


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    width: int = 4
    """Of the child's first stream."""
    iterations: int = 300
    """Of the original loop, training alone."""
    evaluations: int = 3
    """Of the original loop as written; 10 iterations each."""
    seconds: float = 15.0
    """For which the engine trains."""
    rounds: int = 3
    data: TaskConfig = field(default_factory=lambda: TaskConfig(resolution=32))


def main(arguments: Arguments) -> None:
    """Print samples per second and ratios."""
    rounds: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        rates = {}
        for threads in (2, 1):
            rates[f"training_alone_{threads}_threads"] = original(arguments, threads, evaluates=False)
            rates[f"as_written_{threads}_threads"] = original(arguments, threads, evaluates=True)
        for processes in (1, 2):
            rates[f"engine_{processes}_processes"] = engine(arguments, processes)
        print(json.dumps({name: round(rate, 1) for name, rate in rates.items()}), flush=True)
        rounds.append(rates)
    median = {name: statistics.median(rates[name] for rates in rounds) for name in rounds[0]}
    for processes in (1, 2):
        figures: dict[str, float] = {"processes": processes}
        figures["samples_per_second"] = round(median[f"engine_{processes}_processes"], 1)
        for loop in ("training_alone", "as_written"):
            fastest = max(median[f"{loop}_{threads}_threads"] for threads in (1, 2))
            figures[loop] = round(median[f"engine_{processes}_processes"] / fastest, 2)
        print(json.dumps(figures), flush=True)


def original(arguments: Arguments, threads: int, *, evaluates: bool) -> float:
    """Return the samples per second of the original loop."""
    torch.set_num_threads(threads)
    transform = Compose([Resize(32), ToTensor(), Normalize((0.1307,), (0.3081,))])
    train, test = (MNIST(data_dir(arguments.data), split, transform) for split in (True, False))
    train_batches = DataLoader(train, batch_size=BATCH_SIZE, shuffle=True, num_workers=2)
    test_batches = DataLoader(test, batch_size=BATCH_SIZE, num_workers=2)
    child = _child(arguments)
    optimizer = SGD(child.parameters(), lr=0.01, momentum=0.9)
    iterations = EVALUATED_EVERY * arguments.evaluations if evaluates else arguments.iterations
    start = 0.0
    for iteration, (x, y) in enumerate(chain.from_iterable(repeat(train_batches)), start=1):
        child.train()
        optimizer.zero_grad()
        F.cross_entropy(child(x), y).backward()
        optimizer.step()
        if evaluates and iteration % EVALUATED_EVERY == 0:
            _accuracy(child, test_batches)
        if iteration == EVALUATED_EVERY:  # up to here, and with the first evaluation, it warms up
            start = time.perf_counter()
        if iteration == EVALUATED_EVERY + iterations:
            break
    return iterations * BATCH_SIZE / (time.perf_counter() - start)


@torch.no_grad()
def _accuracy(child: Child, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    child.eval()
    return statistics.mean((child(x).argmax(dim=1) == y).float().mean().item() for x, y in batches)


def engine(arguments: Arguments, processes: int) -> float:
    """Return the samples per second of so many processes of the engine together."""
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        barrier = manager.Barrier(processes)
        return sum(pool.map(_train, repeat(arguments, processes), repeat(barrier), range(processes)))


def _train(arguments: Arguments, barrier: Barrier, seed: int) -> float:
    """Return the samples per second of all slices but the one that is under way when time is up."""
    torch.set_num_threads(1)
    task, child = load_task("mnist", arguments.data), _child(arguments)
    config = OptimizerConfig().of("cnn")
    optimizer = make_optimizer(child, config)
    order = BatchOrder(len(task.train), BATCH_SIZE, seed=seed, device="cpu")
    length = len(task.train) // BATCH_SIZE // DECISIONS
    start = rate = 0.0
    for index in count():
        steps, total = range(index * length, (index + 1) * length), 1000 * length
        train_slice_(child, optimizer, task, order, steps=steps, total_steps=total, config=config, seed=seed)
        evaluate(child, task.validation)
        if index == 0:  # the first slice warms up
            barrier.wait(timeout=300)
            start = time.perf_counter()
            continue
        seconds = time.perf_counter() - start
        if seconds > arguments.seconds and rate:
            break
        rate = index * length * BATCH_SIZE / seconds
    return rate


def _child(arguments: Arguments) -> Child:
    space = SearchSpace(start_width=arguments.width)
    architecture = starting_architecture("cnn", Inputs((1, 32, 32), 0, 10), space)
    return build_child(architecture, generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
