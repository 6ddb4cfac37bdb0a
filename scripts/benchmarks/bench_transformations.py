"""How long a transformation takes, in training steps of the child that it changes.

    python scripts/benchmarks/bench_transformations.py

The children are the first ones of their families; convolutional ones, which begin without blocks, have one
in every stage. Times the whole way of a decision: legality of all choices, the snapshot to go back to where
the function changes, edit, weights (He's, and GradMax's for one of the widenings), optimizer, receipt, and
what follows growth under Muon. The ratio is of medians within this run.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import count
from typing import Literal

import torch
from torch.nn import functional as F

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.growth.legality import bounds_of
from mse_rl.growth.state import GrowthState
from mse_rl.networks import Child, build_child
from mse_rl.networks.latency import LatencyMeter
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Architecture, Block, Inputs
from mse_rl.training import Evaluation, capture, make_optimizer
from mse_rl.training.optimizer import Muon
from mse_rl.transformations import OUTPUT_CHANGE_SAMPLES, TRANSFORMATIONS, Answers, Inert, Probe, apply

CHILDREN = {
    "cnn, digits (8x8)": ("cnn", Inputs((1, 8, 8), 0, 10)),
    "cnn, 28x28": ("cnn", Inputs((1, 28, 28), 0, 10)),
    "mlp, 64 features": ("mlp", Inputs((64,), 0, 10)),
    "rnn, 35 tokens": ("rnn", Inputs((35,), 2000, 6)),
    "transformer, 35 tokens": ("transformer", Inputs((35,), 2000, 6)),
}
REPEATS = 15


def main() -> None:
    """Print a line of JSON for every child, with the slowest transformation and the median one."""
    torch.set_num_threads(1)
    gc.collect()
    gc.freeze()  # as workers do
    space = SearchSpace(start_width=8, head_width=8)
    for name, (family, inputs) in CHILDREN.items():
        child = build_child(_architecture(family, inputs, space), generator=torch.Generator().manual_seed(0))
        step = _median(_step(child, inputs))
        ratios = {}
        for transformation in TRANSFORMATIONS.values():
            targets = list(transformation.targets(child.architecture))
            if targets and not isinstance(transformation, Inert):
                decision = _decision(child, inputs, transformation.name, space)
                ratios[transformation.name] = _median(decision) / step
        gradmax = _decision(child, inputs, "widen_inner_x2", space, new_units="gradmax")
        ratios["widen_inner_x2 by gradmax"] = _median(gradmax) / step
        slowest = max(ratios, key=lambda key: ratios[key])
        figures = {
            "child": name,
            "step_ms": round(1000 * step, 2),
            "median_in_steps": round(statistics.median(ratios.values()), 2),
            "slowest": slowest,
            "slowest_in_steps": round(ratios[slowest], 2),
        }
        print(json.dumps(figures), flush=True)


def _architecture(family: str, inputs: Inputs, space: SearchSpace) -> Architecture:
    first = starting_architecture(family, inputs, space)
    stages = (
        replace(stage, blocks=stage.blocks or (Block("conv", stage.width, kernel=3),))
        for stage in first.stages
    )
    return replace(first, stages=tuple(stages))


def _samples(inputs: Inputs, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.arange(count) % inputs.classes
    if inputs.vocabulary:
        return torch.randint(inputs.vocabulary, (count, *inputs.shape)), y
    return torch.randn(count, *inputs.shape), y


def _step(child: Child, inputs: Inputs) -> Callable[[], Callable[[], object]]:
    child, (x, y) = deepcopy(child), _samples(inputs, GrowthConfig().batch_size)
    optimizer = make_optimizer(child, OptimizerConfig())

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(child(x), y).backward()
        optimizer.step()

    return lambda: step


def _decision(
    child: Child,
    inputs: Inputs,
    name: str,
    space: SearchSpace,
    *,
    new_units: Literal["he", "gradmax"] = "he",
) -> Callable[[], Callable[[], object]]:
    x, y = _samples(inputs, 64)
    budgets = count(10**12)
    nothing = Evaluation.of_nothing(inputs.classes)
    target = list(TRANSFORMATIONS[name].targets(child.architecture))[-1]

    def prepare() -> Callable[[], object]:
        old = deepcopy(child)
        optimizer = make_optimizer(old, OptimizerConfig())
        F.cross_entropy(old(x), y).backward()
        optimizer.step()
        first = x[:OUTPUT_CHANGE_SAMPLES]
        answers = Answers(first, old.eval()(first).detach())  # an evaluation has just been
        # Another budget each time, for what is legal is remembered.
        budget = BudgetConfig(flops_budget=next(budgets))
        bounds = bounds_of(GrowthConfig(), space, budget, LatencyMeter())

        def decision() -> None:
            list(bounds.choices(GrowthState(0, old.architecture, nothing)))
            if not TRANSFORMATIONS[name].preserving:
                capture(old, optimizer)
            new, receipt = apply(
                TRANSFORMATIONS[name],
                target,
                old,
                optimizer,
                space=space,
                probe=Probe(x, y),
                generator=torch.Generator().manual_seed(0),
                new_units=new_units,
                answers=answers,
            )
            if isinstance(optimizer, Muon) and receipt.flops_after > receipt.flops_before:
                new.shorten_()

        return decision

    return prepare


def _median(prepare: Callable[[], Callable[[], object]]) -> float:
    """Return the median seconds of what ``prepare`` returns."""
    seconds = []
    for _ in range(REPEATS + 3):
        action = prepare()
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])


if __name__ == "__main__":
    main()
