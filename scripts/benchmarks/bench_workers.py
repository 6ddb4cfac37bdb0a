"""What workers do with their time, where children differ ten times in cost.

    python scripts/benchmarks/bench_workers.py

Episodes are drawn by chance: half on digits at 8x8, half at 18x18 pixels, 10.6 times the FLOPs; random legal
decisions, nothing restored from a cache. They are played
- by the pool of workers of `mse-rl train`, one worker and two: whoever is free takes the longest rest of an
  episode that can begin;
- by Stable-Baselines3's SubprocVecEnv of as many environments, which steps in time: the others wait for the
  slowest. Its idle share counts the seconds that each environment has worked, as they tell themselves.

Prints a line of JSON for each: trained slices a second, the idle share of the workers; and the ratios.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import tyro
from gymnasium import Wrapper
from stable_baselines3.common.vec_env import SubprocVecEnv

from mse_rl.agents.grouping import TRAINING, Collector, Group, context_of
from mse_rl.agents.jobs import PolicyWeights
from mse_rl.agents.learned import BlockNetwork
from mse_rl.agents.pool import WorkerPool
from mse_rl.config.training import ExpansionConfig, GrowthConfig, TaskConfig
from mse_rl.data import load_task
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.spec import SearchSpace

SLICES = GrowthConfig().slices
"""Decisions of an episode."""


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    groups: int = 6
    """Contexts of an update; half of them are ten times as expensive."""
    rollouts: int = 8
    updates: int = 3
    workers: int = 2
    resolution: int = 18
    slice_steps: int = 15
    """Training steps in a slice."""
    start_width: int = 16
    """Width of the first child's first stream."""


def main(arguments: Arguments) -> None:
    """Print the lines."""
    torch.set_num_threads(1)
    env = _env(arguments)
    one, many = (_pool(env, arguments, workers) for workers in (1, arguments.workers))
    steps = _in_step(arguments)
    for name, figures in (("pool, 1", one), (f"pool, {arguments.workers}", many), ("in step", steps)):
        print(json.dumps({"workers": name} | figures), flush=True)
    print(
        json.dumps(
            {
                "episodes_per_hour_over_one_worker": many["slices_per_second"] / one["slices_per_second"],
                "slices_per_second_over_in_step": many["slices_per_second"] / steps["slices_per_second"],
            }
        )
    )


def _env(arguments: Arguments) -> ExpansionEnv:
    tasks = tuple(load_task("digits", TaskConfig(resolution=side)) for side in (None, arguments.resolution))
    growth = GrowthConfig(training_steps=SLICES * arguments.slice_steps, slices=SLICES, decision_share=1.0)
    space = SearchSpace(start_width=arguments.start_width)
    return ExpansionEnv(ExpansionConfig(task=("digits", "digits"), growth=growth, space=space), tasks=tasks)


def _pool(env: ExpansionEnv, arguments: Arguments, workers: int) -> dict[str, float]:
    policy = BlockNetwork(env.layout)
    policy.reset_parameters_(torch.Generator().manual_seed(0))
    with WorkerPool(env, workers) as pool:
        collector = Collector(pool, rollouts=arguments.rollouts, decisions=SLICES, seed=0, stream=TRAINING)
        list(_update(env, collector, policy, range(1000, 1000 + workers)))  # imports, first allocations
        start, slices, busy = time.perf_counter(), 0, 0.0
        for update in range(arguments.updates):
            numbers = range(update * arguments.groups, (update + 1) * arguments.groups)
            for episode in _update(env, collector, policy, numbers):
                slices += len(episode.actions) - episode.cached_slices
                busy += episode.seconds
        seconds = time.perf_counter() - start
    return {"slices_per_second": slices / seconds, "idle_share": 1 - busy / (workers * seconds)}


def _update(env: ExpansionEnv, collector: Collector, policy: BlockNetwork, numbers: range) -> Iterator[Any]:
    contexts = [
        replace(context_of(env, 0, TRAINING, number), task=number % len(env.tasks)) for number in numbers
    ]
    groups = [
        Group(context, number, env.budget(context).cost_budget)
        for number, context in zip(numbers, contexts, strict=True)
    ]
    for group in collector.collect(PolicyWeights.of(policy, draws=True), groups):
        yield from group


class Timed(Wrapper):  # type: ignore[type-arg]
    """An environment that tells how long each of its steps took."""

    def step(self, action: Any) -> Any:
        """Perform a step."""
        start = time.perf_counter()
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, reward, terminated, truncated, {"seconds": time.perf_counter() - start}

    def reset(self, **settings: Any) -> Any:
        """Begin an episode; no info, so that little travels."""
        return self.env.reset(**settings)[0], {}

    def action_masks(self) -> Any:
        """Return which actions are legal."""
        return self.env.action_masks()  # type: ignore[attr-defined]


def _in_step(arguments: Arguments) -> dict[str, float]:
    def make() -> Timed:
        torch.set_num_threads(1)
        return Timed(_env(arguments))

    environments = SubprocVecEnv([make] * arguments.workers, start_method="spawn")
    rng = np.random.default_rng(0)
    environments.seed(0)
    environments.reset()

    def step() -> float:
        masks = environments.env_method("action_masks")
        actions = np.array([rng.choice(np.flatnonzero(mask)) for mask in masks])
        return sum(info["seconds"] for info in environments.step(actions)[3])

    for _ in range(SLICES):
        step()
    start, busy = time.perf_counter(), 0.0
    rounds = arguments.updates * arguments.groups * SLICES
    for _ in range(rounds):
        busy += step()
    seconds = time.perf_counter() - start
    environments.close()
    slices = rounds * arguments.workers
    return {
        "slices_per_second": slices / seconds,
        "idle_share": 1 - busy / (arguments.workers * seconds),
    }


if __name__ == "__main__":
    main(tyro.cli(Arguments))
