"""Whether what an episode costs is the child's FLOPs: seconds of a decision while the child grows 100 times.

    python scripts/benchmarks/bench_episode_cost.py --plot docs/episode_cost.png

A decision is a training slice and an evaluation of the validation split, here on random data and one thread.
The first child of the cnn family, for images of 28x28 and of 32x32x3, grows wider step by step, and that for
28x28 grows deeper; all sizes take turns, and the median counts. Prints a line of JSON for each:
MFLOPs of a forward pass of a sample, seconds of a decision over its training samples, and GFLOPs in a
second, of which a training sample takes three forward passes and one of the validation split one. Then for
each way to grow the slope of log(seconds) over log(FLOPs) from 10 MFLOPs on: 1 if seconds are proportional
to FLOPs, less if large children run faster. The plot has the lines of proportionality through the largest
children.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure

from mse_rl.config.training import OptimizerConfig
from mse_rl.costs import TRAINING_PASSES, cost
from mse_rl.data import Split, Task
from mse_rl.networks import build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Architecture, Block, Inputs
from mse_rl.training import BatchOrder, evaluate, make_optimizer, train_slice_

GREY, COLOURED = Inputs((1, 28, 28), 0, 10), Inputs((3, 32, 32), 0, 10)
COLOURS = {"28x28, wider": "#00798c", "32x32x3, wider": "#d1495b", "28x28, deeper": "#8a6d00"}
OPTIMIZER = OptimizerConfig(learning_rate=1e-4)
"""So low that the numbers stay ordinary, however long a child trains on random data."""


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    plot: Path = Path("docs/episode_cost.png")
    """Where the plot goes."""
    widths: tuple[int, ...] = (2, 4, 8, 12, 16, 20, 24, 32, 48, 64, 80)
    """Of the first streams of children that grow wider."""
    depths: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8)
    """Blocks in each stage of those that grow deeper."""
    depth_width: int = 16
    """Of the first stream of those."""
    most_mflops: float = 110.0
    """Larger children are left out."""
    slope_from_mflops: float = 10.0
    """The slope is that of children from here on."""
    slice_steps: int = 25
    batch_size: int = 64
    validation_samples: int = 400
    rounds: int = 3


def main(arguments: Arguments) -> None:
    """Print a line of JSON for every child, and the slopes; save the plot."""
    torch.set_num_threads(1)
    children = {
        (way, size): architecture
        for way, size, architecture in _children(arguments)
        if cost(architecture).flops <= 1e6 * arguments.most_mflops
    }
    decisions = {key: _decision(architecture, arguments) for key, architecture in children.items()}
    seconds: dict[tuple[str, int], list[float]] = {key: [] for key in children}
    for _ in range(1 + arguments.rounds):  # the first round warms up
        for key, decide in decisions.items():
            start = time.perf_counter()
            decide()
            seconds[key].append(time.perf_counter() - start)
    samples = arguments.slice_steps * arguments.batch_size
    passes = TRAINING_PASSES + arguments.validation_samples / samples
    points: dict[str, list[tuple[float, float]]] = {way: [] for way in COLOURS}
    for (way, size), architecture in children.items():
        mflops = cost(architecture).flops / 1e6
        each = statistics.median(seconds[way, size][1:]) / samples
        points[way].append((mflops, each))
        figures = {"growth": way, "size": size, "mflops": round(mflops, 3)}
        speed = {
            "seconds_per_sample": float(f"{each:.4g}"),
            "gflops_per_second": round(passes * mflops / 1e3 / each, 2),
        }
        print(json.dumps(figures | speed), flush=True)
    for way, measured in points.items():
        large = np.log([point for point in measured if point[0] >= arguments.slope_from_mflops])
        slope = round(float(np.polyfit(*large.T, 1)[0]), 3) if len(large) > 1 else None
        print(json.dumps({"growth": way, "from_mflops": arguments.slope_from_mflops, "slope": slope}))
    _figure(points).savefig(arguments.plot, dpi=150)


def _children(arguments: Arguments) -> Iterator[tuple[str, int, Architecture]]:
    """Yield every child with the way in which it has grown, and its size in that direction."""
    for way, inputs in (("28x28, wider", GREY), ("32x32x3, wider", COLOURED)):
        for width in arguments.widths:
            yield way, width, _child_of(inputs, width)
    narrow = _child_of(GREY, arguments.depth_width)
    for depth in arguments.depths:
        stages = (
            replace(stage, blocks=(Block("conv", stage.width, kernel=3),) * depth) for stage in narrow.stages
        )
        yield "28x28, deeper", depth, replace(narrow, stages=tuple(stages))


def _child_of(inputs: Inputs, width: int) -> Architecture:
    return starting_architecture("cnn", inputs, SearchSpace(start_width=width))


def _decision(architecture: Architecture, arguments: Arguments) -> Callable[[], None]:
    """Return a function that trains the child for its next slice, and evaluates it."""
    generator, length = torch.Generator().manual_seed(0), arguments.slice_steps
    train, validation = (
        Split(
            torch.randn(samples, *architecture.input_shape, generator=generator),
            torch.arange(samples) % architecture.classes,
        )
        for samples in (length * arguments.batch_size, arguments.validation_samples)
    )
    task = Task("random", "image", architecture.classes, train, validation, validation)
    child = build_child(architecture, generator=generator)
    optimizer, slices = make_optimizer(child, OPTIMIZER), count()
    order = BatchOrder(len(train), arguments.batch_size, seed=0, device="cpu")
    rates = [OPTIMIZER.peak_learning_rate] * length

    def decide() -> None:
        first = length * next(slices)
        steps = range(first, first + length)
        train_slice_(child, optimizer, task, order, steps=steps, rates=rates, config=OPTIMIZER, seed=0)
        evaluate(child, validation)

    return decide


def _figure(points: dict[str, list[tuple[float, float]]]) -> Figure:
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.subplots()
    for way, measured in points.items():
        mflops, seconds = np.array(measured).T
        line = mflops / mflops[-1] * seconds[-1]
        axes.loglog(mflops, 1000 * seconds, color=COLOURS[way], marker="o", ms=4, label=way)
        axes.loglog(mflops, 1000 * line, color=COLOURS[way], ls=":", label=f"{way}, proportional")
    axes.set_xlabel("MFLOPs of a forward pass of a sample")
    axes.set_ylabel("milliseconds of a decision per training sample")
    axes.grid(alpha=0.25, which="both")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8)
    return figure


if __name__ == "__main__":
    main(tyro.cli(Arguments))
