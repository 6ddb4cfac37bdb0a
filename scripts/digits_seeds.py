"""Train a policy as typed, for several seeds, and print how each compares with the rules.

    python scripts/digits_seeds.py 0 1 2 --out runs/digits_seeds

A seed takes about five minutes on two cores; one whose run is in the folder already is only read.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import tyro
from rich.console import Console
from tyro.conf import Positional

from mse_rl.config import TrainConfig
from mse_rl.runs.train import train


@dataclass(frozen=True)
class Arguments:
    """The runs."""

    seeds: Positional[tuple[int, ...]] = (0, 1, 2)
    """Seeds of the runs."""
    out: Path = Path("runs/digits_seeds")
    """Folder of the runs."""


def row(seed: int, summary: dict[str, Any]) -> str:
    """Return a line of the table."""
    paired = [
        f"{entry['mean']:+.3f} [{entry['low']:+.3f}, {entry['high']:+.3f}]"
        for entry in summary["paired"].values()
    ]
    utility = mean(summary["controllers"]["learned"]["utility"])
    return f"| {seed} | {utility:.4f} | {' | '.join(paired)} |"


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
        print(row(seed, summary))


if __name__ == "__main__":
    main(tyro.cli(Arguments))
