"""Slices that go wrong: does a run complete, and does its policy still beat `random`?

    python scripts/faults/fail_children.py

In a share of all slices the loss becomes NaN, or memory runs out as torch says it: a function of child
and slice. Trains a policy with two workers. Prints one JSON object: episodes, those in which something
went wrong, those that failed, and what the policy's utility is above that of `random` on held-out seeds,
with its interval: where slices go on to go wrong, which says most of all whose children failed by chance, and
where they do not.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32

import numpy as np
import torch
import tyro

from mse_rl import ExpansionConfig, GrowthConfig, TrainConfig, compare
from mse_rl.runs.train import train
from mse_rl.training import LiveChild, SliceResult

SHARE = "MSE_RL_FAULT_SHARE"
"""Environment variable by which workers, which import this file, know the share."""


@dataclass(frozen=True)
class Arguments:
    """What is tried."""

    share: float = 0.1
    episodes: int = 480
    held_out: int = 16
    task: tuple[str, ...] = ("wine", "digits")


def inject(share: float) -> None:
    """Let a share of slices go wrong in this process."""
    train_slice = LiveChild.train_

    def train_(live: LiveChild, steps: range, rates: Sequence[float], *, refit: bool = False) -> SliceResult:
        result = train_slice(live, steps, rates, refit=refit)
        child = crc32(live.child.architecture.to_json().encode())
        draw = np.random.default_rng([live._seed, steps.start, child])
        if draw.random() >= share:
            return result
        if draw.random() < 0.5:
            torch.empty(1 << 50)
        return replace(result, loss=nan)

    LiveChild.train_ = train_  # type: ignore[method-assign]


if SHARE in os.environ:
    inject(float(os.environ[SHARE]))


def main(arguments: Arguments) -> None:
    """Print the figures."""
    os.environ[SHARE] = str(arguments.share)
    with TemporaryDirectory() as home:
        env = ExpansionConfig(task=arguments.task, growth=GrowthConfig(passes_high=16))
        config = TrainConfig(env, episodes=arguments.episodes, held_out=arguments.held_out)
        result = train(replace(config, run_dir=Path(home, "run")))
        lines = (result.folder / "episodes.jsonl").read_text().splitlines()
        episodes = [json.loads(line) for line in lines]
        figures = {
            "episodes": len(episodes),
            "with_faults": sum(bool(episode["faults"]) for episode in episodes),
            "failed": sum(episode["failed"] for episode in episodes),
            "learned_minus_random": result.summary["paired"]["random"],
        }
        del os.environ[SHARE]  # workers from now on do not know it
        controllers = {"learned": result.folder, "random": "random"}
        compared = compare(controllers, arguments.task, seeds=range(arguments.held_out), config=env)
        figures["the_same_without_faults"] = compared.difference("learned", "random")
        print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
