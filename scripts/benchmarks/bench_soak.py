"""Whether the memory of a worker stays flat over thousands of short episodes. Linux only.

    nice -n 10 python scripts/benchmarks/bench_soak.py

One worker plays the rule `random` on tasks of three kinds, with a cache that is soon full. Its private
memory is read after every 1% of the episodes. Prints one JSON object: the median of each quarter in MiB,
and the last over the second, which should be at most 1.02.
"""

import json
from dataclasses import dataclass, replace
from multiprocessing import active_children
from statistics import median

import tyro
from bench_memory import private_mib

from mse_rl import ExpansionConfig, GrowthConfig
from mse_rl.agents.grouping import TRAINING, context_of, draw_seeds
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.envs.expansion import ExpansionEnv


@dataclass(frozen=True)
class Arguments:
    """What is played."""

    episodes: int = 2000
    slices: int = 4
    training_steps: int = 20
    cache_mb: int = 16


def main(arguments: Arguments) -> None:
    """Print the figures."""
    growth = GrowthConfig(slices=arguments.slices, training_steps=arguments.training_steps)
    env = ExpansionEnv(replace(ExpansionConfig(), growth=growth, cache_mb=arguments.cache_mb))
    each = arguments.episodes // 100
    with WorkerPool(env, 1) as pool:
        sizes = [_after(pool, env, range(each * part, each * (part + 1))) for part in range(100)]
    quarters = [median(sizes[start : start + 25]) for start in range(0, 100, 25)]
    figures = {"episodes": 100 * each, "quarters_mib": [round(size, 1) for size in quarters]}
    print(json.dumps(figures | {"last_over_second": round(quarters[3] / quarters[1], 4)}))


def _after(pool: WorkerPool, env: ExpansionEnv, numbers: range) -> float:
    """Play the episodes of these numbers, and return what the worker has for itself then."""
    list(pool.play([_job(env, number) for number in numbers]))
    (worker,) = active_children()
    assert worker.pid is not None
    return private_mib(worker.pid)


def _job(env: ExpansionEnv, number: int) -> Job:
    seeds = draw_seeds(0, TRAINING, number, decisions=env.config.growth.slices)
    return Job("random", context_of(env, 0, TRAINING, number), seeds)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
