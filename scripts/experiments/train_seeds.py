"""Train a policy as typed, for several seeds, and print how each compares with the rules.

    python scripts/experiments/train_seeds.py 0 1 2 --out runs/train_seeds

A seed takes about nine minutes on two cores; one whose run is in the folder already is only read. The last
line is over the held-out episodes of all runs together.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from tyro.conf import Positional

from mse_rl.agents.evaluation import paired_interval
from mse_rl.cli.commands import train
from mse_rl.config.commands import TrainConfig


@dataclass(frozen=True)
class Arguments:
    """The runs."""

    seeds: Positional[tuple[int, ...]] = (0, 1, 2)
    """Seeds of the runs."""
    out: Path = Path("runs/train_seeds")
    """Folder of the runs."""


def row(name: str, summaries: list[dict[str, Any]]) -> str:
    """Return a line of the table, over the held-out episodes of some runs."""
    utility = {
        controller: np.concatenate([run["controllers"][controller]["utility"] for run in summaries])
        for controller in summaries[0]["controllers"]
    }
    paired = [
        "{mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(
            **paired_interval(utility["learned"] - utility[controller])
        )
        for controller in summaries[0]["paired"]
    ]
    return f"| {name} | {utility['learned'].mean():.4f} | {' | '.join(paired)} |"


def main(arguments: Arguments) -> None:
    """Train what is missing, and print the table."""
    summaries = {}
    for seed in arguments.seeds:
        folder = arguments.out / f"seed{seed}"
        if not (folder / "summary.json").is_file():
            train(TrainConfig(seed=seed, run_dir=folder), Console(stderr=True))
        summaries[seed] = json.loads((folder / "summary.json").read_text())
    names = list(next(iter(summaries.values()))["paired"])
    print(f"| seed | utility, learned | {' | '.join(f'- {name}' for name in names)} |")
    print("|" + " --- |" * (2 + len(names)))
    for seed, summary in summaries.items():
        print(row(str(seed), [summary]))
    print(row("all", list(summaries.values())))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
