"""How much memory a worker takes for itself, against a process that has only imported torch. Linux only.

    python scripts/benchmarks/bench_memory.py

Private memory is what the system would have back if a process ended: code and tensors that it shares with
others are not in it. Prints one JSON object: MiB of a bare interpreter, of one with torch, of a worker
before its first episode, and after episodes of the rule ``widen``, whose snapshots are in its cache; and the
last over torch's.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path

import tyro

from mse_rl.agents.grouping import TRAINING, context_of, draw_seeds
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.config.training import ExpansionConfig
from mse_rl.envs.expansion import ExpansionEnv

BARE = "import sys; print(flush=True); sys.stdin.read()"
TORCH = f"import torch; torch.set_num_threads(1); torch.ones(8, 8) @ torch.ones(8, 8); {BARE}"


@dataclass(frozen=True)
class Arguments:
    """What is measured."""

    episodes: int = 8


def main(arguments: Arguments) -> None:
    """Print the figures."""
    figures = {"bare": _of_interpreter(BARE), "torch": _of_interpreter(TORCH)}
    env = ExpansionEnv(ExpansionConfig())
    with WorkerPool(env, workers=1) as pool:
        figures["worker_after_one_wait"] = _after(pool, [_job(env, "wait", 0)])
        jobs = [_job(env, "widen", number) for number in range(arguments.episodes)]
        figures["worker_after_episodes"] = _after(pool, jobs)
    figures["worker_over_torch"] = figures["worker_after_episodes"] / figures["torch"]
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


def _job(env: ExpansionEnv, rule: str, number: int) -> Job:
    seeds = draw_seeds(0, TRAINING, number, decisions=env.config.growth.slices)
    return Job(rule, context_of(env, 0, TRAINING, number), seeds)


def _after(pool: WorkerPool, jobs: list[Job]) -> float:
    list(pool.play(jobs))
    (worker,) = (process for process in active_children() if process.name.startswith("SpawnProcess"))
    assert worker.pid is not None
    return private_mib(worker.pid)


def _of_interpreter(code: str) -> float:
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return private_mib(process.pid)


def private_mib(pid: int) -> float:
    """Return the memory that a process has for itself."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


if __name__ == "__main__":
    main(tyro.cli(Arguments))
