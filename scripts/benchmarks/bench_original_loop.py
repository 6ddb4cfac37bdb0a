"""How fast children train here, against the loop that the method was first described with.

    python scripts/benchmarks/bench_original_loop.py

Both train the same network on MNIST at 32x32, in batches of 100 and on the same cores. How much there is to
gain depends on the network: a small one's time goes into feeding it, that of a large one into arithmetic.
Three children of the cnn family are tried: two of about LeNet-5's FLOPs, and the first child for such images.
What is compared, in training samples per second:
- the original loop: torchvision's MNIST, resized, made a tensor and normalised image by image, in a
  DataLoader with two workers and shuffling; SGD with momentum. Training alone, and as written: every 10
  iterations it evaluates all 10,000 test images, through a DataLoader like the first. Once with two threads,
  torch's default on two cores, and once with one, which leaves more to the workers;
- the engine: a task in memory, ``train_slice_`` with the family's own optimizer, and an evaluation of the
  validation split after each slice, 10 of them an epoch, for that is when a controller decides. In one
  process with one thread, and in two at once, over the same span of time; the samples per second of both are
  added. Training alone counts no evaluation's time.

All take turns, and each warms up before it is timed. Prints a line of JSON for every round, then for each
child, for one process and for two the median samples per second, training alone and with evaluation, and
their ratios to the original loop, training alone and as written.
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

from mse_rl.config.training import OptimizerConfig, TaskConfig
from mse_rl.costs import cost
from mse_rl.data import Task, load_task
from mse_rl.data.files import data_dir
from mse_rl.networks import Child, build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.training import BatchOrder, evaluate, make_optimizer, train_slice_

BATCH_SIZE, EVALUATED_EVERY, DECISIONS = 100, 10, 10
"""Samples in a batch; iterations of the original loop between evaluations; slices of an epoch here."""


INPUTS = Inputs((1, 32, 32), 0, 10)
CHILDREN = {
    "one block at 8x8": Architecture(
        "cnn", INPUTS.shape, INPUTS.classes, (Stage(16, (Block("conv", 16, kernel=3),), stride=4),)
    ),
    "one block at 16x16": Architecture(
        "cnn", INPUTS.shape, INPUTS.classes, (Stage(8, (Block("conv", 8, kernel=3),), stride=2),)
    ),
    "first child": starting_architecture("cnn", INPUTS, SearchSpace()),
}


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    children: tuple[str, ...] = tuple(CHILDREN)
    iterations: int = 300
    """Of the original loop, training alone."""
    evaluations: int = 3
    """Of the original loop as written; 10 iterations each."""
    seconds: float = 10.0
    """For which the engine trains."""
    rounds: int = 3
    data: TaskConfig = field(default_factory=lambda: TaskConfig(resolution=32))


@dataclass(frozen=True)
class Rates:
    """Training samples per second: of the time of training, and of all time."""

    training_alone: float
    with_evaluation: float


def main(arguments: Arguments) -> None:
    """Print samples per second and ratios."""
    task = load_task("mnist", arguments.data)
    for name in arguments.children:
        rounds = [_round(name, task, arguments) for _ in range(arguments.rounds)]
        median = {key: statistics.median(rates[key] for rates in rounds) for key in rounds[0]}
        for processes in (1, 2):
            print(json.dumps(_ratios(name, processes, median)), flush=True)


def _round(name: str, task: Task, arguments: Arguments) -> dict[str, float]:
    """Time every way once."""
    rates = {}
    for threads in (2, 1):
        rates[f"training_alone_{threads}_threads"] = original(name, arguments, threads, evaluates=False)
        rates[f"as_written_{threads}_threads"] = original(name, arguments, threads, evaluates=True)
    for processes in (1, 2):
        seen = engine(name, task, arguments.seconds, processes)
        rates[f"engine_{processes}_training_alone"] = seen.training_alone
        rates[f"engine_{processes}_with_evaluation"] = seen.with_evaluation
    print(json.dumps({"child": name} | {key: round(rate, 1) for key, rate in rates.items()}), flush=True)
    return rates


def _ratios(name: str, processes: int, median: dict[str, float]) -> dict[str, float | str]:
    figures: dict[str, float | str] = {
        "child": name,
        "mflops": round(cost(CHILDREN[name]).flops / 1e6, 3),
        "processes": processes,
    }
    for engine_way, loop_way in (("training_alone", "training_alone"), ("with_evaluation", "as_written")):
        rate = median[f"engine_{processes}_{engine_way}"]
        figures[f"samples_per_second_{engine_way}"] = round(rate, 1)
        for threads in (2, 1):
            ratio = rate / median[f"{loop_way}_{threads}_threads"]
            figures[f"over_original_{loop_way}_{threads}_threads"] = round(ratio, 2)
    return figures


def original(name: str, arguments: Arguments, threads: int, *, evaluates: bool) -> float:
    """Return the samples per second of the original loop."""
    torch.set_num_threads(threads)
    transform = Compose([Resize(32), ToTensor(), Normalize((0.1307,), (0.3081,))])
    train, test = (MNIST(data_dir(arguments.data), split, transform) for split in (True, False))
    train_batches = DataLoader(train, batch_size=BATCH_SIZE, shuffle=True, num_workers=2)
    test_batches = DataLoader(test, batch_size=BATCH_SIZE, num_workers=2)
    child = _child(name)
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


def engine(name: str, task: Task, seconds: float, processes: int) -> Rates:
    """Return the samples per second of so many processes of the engine together."""
    context = get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, context) as pool:
        barrier = manager.Barrier(processes)
        each = [repeat(argument, processes) for argument in (name, task, seconds, barrier)]
        seen = list(pool.map(_train, *each, range(processes)))
    return Rates(sum(rates.training_alone for rates in seen), sum(rates.with_evaluation for rates in seen))


def _train(name: str, task: Task, seconds: float, barrier: Barrier, seed: int) -> Rates:
    """Return the samples per second of all slices but the one that is under way when time is up."""
    torch.set_num_threads(1)
    config, child = OptimizerConfig().of("cnn"), _child(name)
    optimizer = make_optimizer(child, config)
    order = BatchOrder(len(task.train), BATCH_SIZE, seed=seed, device="cpu")
    length = len(task.train) // BATCH_SIZE // DECISIONS
    learning_rates = [config.peak_learning_rate] * length
    start, training_seconds, rates = 0.0, 0.0, Rates(0.0, 0.0)
    for index in count():
        steps = range(index * length, (index + 1) * length)
        began = time.perf_counter()
        train_slice_(
            child, optimizer, task, order, steps=steps, rates=learning_rates, config=config, seed=seed
        )
        training_seconds += time.perf_counter() - began
        evaluate(child, task.validation)
        if index == 0:  # the first slice warms up
            barrier.wait(timeout=300)
            start, training_seconds = time.perf_counter(), 0.0
            continue
        passed = time.perf_counter() - start
        if passed > seconds and rates.training_alone:
            break
        samples = index * length * BATCH_SIZE
        rates = Rates(samples / training_seconds, samples / passed)
    return rates


def _child(name: str) -> Child:
    return build_child(CHILDREN[name], generator=torch.Generator().manual_seed(0))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
