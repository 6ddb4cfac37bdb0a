"""What a CUDA graph saves: slices whose steps are captured once and replayed, against slices of eager steps.

    python scripts/benchmarks/bench_graph.py
    python scripts/benchmarks/bench_graph.py --precision bfloat16 --widths 4 16 64

Children of the cnn family train on random images of CIFAR-10's size, on a GPU. The step is the same;
captured, it is launched as a whole, and a small child no longer waits for Python. Both ways take turns.
Prints a line of JSON for each child: MFLOPs of a forward pass of a sample, milliseconds of a step either
way, and eager over captured.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

import torch
import tyro

from mse_rl.config.training import OptimizerConfig
from mse_rl.costs import cost
from mse_rl.data import Augmentation, Split, Task
from mse_rl.networks import Child, build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Inputs
from mse_rl.training import BatchOrder, make_optimizer, slice, train_slice_

INPUTS = Inputs((3, 32, 32), 0, 10)
CAPTURED, EAGER = slice.LEAST_STEPS, sys.maxsize
"""Shortest slices that are captured; for eager ones, none are."""


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    widths: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    """Of the children's first streams."""
    steps: int = 200
    """In a slice; the capture is part of it."""
    batch_size: int = 256
    samples: int = 50_000
    rounds: int = 5
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "cuda"


def main(arguments: Arguments) -> None:
    """Print a line of JSON for every child."""
    if not torch.cuda.is_available() and arguments.device != "cpu":
        sys.exit(f"expected a GPU, and there is no {arguments.device} here")
    task = _task(arguments)
    for width in arguments.widths:
        architecture = starting_architecture("cnn", INPUTS, SearchSpace(start_width=width))
        generator = torch.Generator(arguments.device).manual_seed(0)
        child = build_child(architecture, generator=generator, device=arguments.device)
        ways = {least: _slices(deepcopy(child), task, arguments, least) for least in (CAPTURED, EAGER)}
        seconds: dict[int, list[float]] = {least: [] for least in ways}
        for index in range(1 + arguments.rounds):  # the first round warms up
            for least, train in ways.items():
                start = time.perf_counter()
                train(index)
                seconds[least].append(time.perf_counter() - start)
        captured, eager = (
            1000 * statistics.median(seconds[least][1:]) / arguments.steps for least in (CAPTURED, EAGER)
        )
        figures = {
            "mflops": round(cost(architecture).flops / 1e6, 3),
            "captured_ms_per_step": round(captured, 4),
            "eager_ms_per_step": round(eager, 4),
            "eager_over_captured": round(eager / captured, 2),
        }
        print(json.dumps(figures), flush=True)


def _task(arguments: Arguments) -> Task:
    x = torch.randn(arguments.samples, *INPUTS.shape)
    split = Split(x, torch.arange(arguments.samples) % INPUTS.classes)
    task = Task("random", "image", INPUTS.classes, split, split, split, Augmentation(crop=4, flip=True))
    return task.to(arguments.device)


def _slices(child: Child, task: Task, arguments: Arguments, least_steps: int) -> Callable[[int], None]:
    """Return a function that trains the child for the slice of an index; it waits for the GPU."""
    config = OptimizerConfig(learning_rate=1e-4, precision=arguments.precision).of("cnn")
    optimizer, rates = make_optimizer(child, config), [config.peak_learning_rate] * arguments.steps
    order = BatchOrder(len(task.train), arguments.batch_size, seed=0, device=arguments.device)

    def train(index: int) -> None:
        slice.LEAST_STEPS = least_steps
        steps = range(index * arguments.steps, (index + 1) * arguments.steps)
        train_slice_(child, optimizer, task, order, steps=steps, rates=rates, config=config, seed=0)

    return train


if __name__ == "__main__":
    main(tyro.cli(Arguments))
