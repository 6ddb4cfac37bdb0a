"""What growth adds to a training step: slices against bare forward, backward and optimizer step.

    python scripts/benchmarks/bench_slice.py

Each child trains in three ways, in turn, on one thread, random data and the same batch size:
- slice: ``train_slice_`` as growth calls it: batches from a task, learning rates of a schedule, records;
- bare: the same module and optimizer on one batch: zero_grad, forward, cross-entropy, backward, step;
- default: bare, with torch's default memory layout and loop over parameters: why children have channels_last
  weights and fused optimizers.

``--precision bfloat16`` lets the slices round, and not the bare loops: then share_of_bare is what it gains.

Children are the first ones of their families, widened, and from 5 MFLOPs on with more blocks (convolutional
ones with their first): of each size the nearest there is, or none. Prints a line of JSON for each: true
MFLOPs of a forward pass of a sample, median milliseconds of a step, and share_of_bare, bare over slice: 1 if
growth adds nothing.
"""

import json
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace
from math import log
from typing import Literal

import torch
import tyro
from torch.nn import functional as F

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs import cost
from mse_rl.data import Split, Task
from mse_rl.networks import Child, build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Architecture, Block, Inputs
from mse_rl.training import BatchOrder, learning_rate, make_optimizer, train_slice_

CHILDREN = {
    "cnn, 8x8": ("cnn", Inputs((1, 8, 8), 0, 10)),
    "cnn, 28x28": ("cnn", Inputs((1, 28, 28), 0, 10)),
    "cnn, 32x32x3": ("cnn", Inputs((3, 32, 32), 0, 10)),
    "mlp, 784 features": ("mlp", Inputs((784,), 0, 10)),
    "rnn, 35 tokens": ("rnn", Inputs((35,), 2000, 6)),
    "transformer, 35 tokens": ("transformer", Inputs((35,), 2000, 6)),
}
SPACE = SearchSpace()
OPTIMIZER = OptimizerConfig(learning_rate=1e-4)
"""So low that the numbers stay ordinary, however long a child trains on random data."""
TASK_SAMPLES = 4096


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    mflops: tuple[float, ...] = (0.05, 0.5, 5.0, 50.0)
    children: tuple[str, ...] = tuple(CHILDREN)
    steps: int = 100
    """Training steps in a slice, and in a round of the bare loops."""
    batch_size: int = GrowthConfig().batch_size
    rounds: int = 7
    precision: Literal["float32", "bfloat16"] = "float32"
    """Of the slices."""


def main(arguments: Arguments) -> None:
    """Print a line of JSON for every child."""
    torch.set_num_threads(1)
    for name in arguments.children:
        for mflops in arguments.mflops:
            if architecture := _nearest(*CHILDREN[name], mflops):
                figures = _figures(architecture, _task(CHILDREN[name][1]), arguments)
                print(json.dumps({"child": name} | figures), flush=True)


def _nearest(family: str, inputs: Inputs, mflops: float) -> Architecture | None:
    """Return the child whose FLOPs are nearest to ``mflops``, None if none are within a factor of 2."""

    def distance(architecture: Architecture) -> float:
        return abs(log(cost(architecture).flops / 1e6 / mflops))

    unit = SPACE.head_width if family == "transformer" else SPACE.quantum
    more = 0 if mflops < 5 else 1 if mflops < 50 else 2
    widths = range(unit, 4096, unit)
    nearest = min((_child_of(family, inputs, width, more) for width in widths), key=distance)
    return nearest if distance(nearest) < log(2) else None


def _child_of(family: str, inputs: Inputs, width: int, more: int) -> Architecture:
    """Return a first child whose blocks are as wide as their stream, and repeated so many times."""
    first = starting_architecture(family, inputs, replace(SPACE, start_width=width))
    stages = []
    for stage in first.stages:
        own = tuple(replace(block, inner=stage.width) for block in stage.blocks)
        repeated = own or (Block("conv", stage.width, kernel=3),)
        stages.append(replace(stage, blocks=own + more * repeated))
    return replace(first, stages=tuple(stages))


def _figures(architecture: Architecture, task: Task, arguments: Arguments) -> dict[str, float]:
    child = build_child(architecture, generator=torch.Generator().manual_seed(0))
    actions = {
        "bare": _bare(child, task, arguments.batch_size),
        "default": _bare(child, task, arguments.batch_size, default=True),
        "slice": _slice(child, task, arguments),
    }
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for index in range(1 + arguments.rounds):  # the first round warms up
        for name, action in actions.items():
            start = time.perf_counter()
            action(range(index * arguments.steps, (index + 1) * arguments.steps))
            seconds[name].append(time.perf_counter() - start)
    ms = {name: 1000 * statistics.median(times[1:]) / arguments.steps for name, times in seconds.items()}
    return {
        "mflops": round(cost(architecture).flops / 1e6, 3),
        **{f"{name}_ms_per_step": round(value, 3) for name, value in ms.items()},
        "share_of_bare": round(ms["bare"] / ms["slice"], 3),
    }


def _task(inputs: Inputs) -> Task:
    shape = (TASK_SAMPLES, *inputs.shape)
    x = torch.randint(inputs.vocabulary, shape) if inputs.vocabulary else torch.randn(shape)
    split = Split(x, torch.arange(TASK_SAMPLES) % inputs.classes)
    return Task("random", inputs.kind, inputs.classes, split, split, split, vocabulary=inputs.vocabulary)


def _bare(child: Child, task: Task, batch_size: int, *, default: bool = False) -> Callable[[range], None]:
    child = deepcopy(child).train()
    optimizer = make_optimizer(child, OPTIMIZER)
    if default:
        for parameter in child.parameters():
            # A clone, for contiguous() leaves one-channel weights with strides that read as channels_last.
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
        for group in optimizer.param_groups:
            group.update(foreach=None, fused=None)
    x, y = task.train.x[:batch_size].clone(), task.train.y[:batch_size].clone()

    def train(steps: range) -> None:
        for _ in steps:
            optimizer.zero_grad(set_to_none=True)
            F.cross_entropy(child(x), y, label_smoothing=OPTIMIZER.label_smoothing).backward()
            optimizer.step()

    return train


def _slice(child: Child, task: Task, arguments: Arguments) -> Callable[[range], None]:
    config = replace(OPTIMIZER, precision=arguments.precision).of(child.architecture.family)
    child = deepcopy(child)
    optimizer, total = make_optimizer(child, config), (1 + arguments.rounds) * arguments.steps
    order = BatchOrder(len(task.train), arguments.batch_size, seed=0, device="cpu")

    def train(steps: range) -> None:
        rates = [learning_rate(step / total, 1 / total, config) for step in steps]
        train_slice_(child, optimizer, task, order, steps=steps, rates=rates, config=config, seed=0)

    return train


if __name__ == "__main__":
    main(tyro.cli(Arguments))
