"""A growth with a baseline beside it: docs/growth.png.

Children grow by a rule on the bundled digits, one for each seed. Beside each, its final architecture is
trained from the start, with the same training FLOPs, data and seed. Both lines are means over the seeds:

    python scripts/experiments/growth_picture.py
"""

import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import tyro
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mse_rl

matplotlib.use("Agg")
GROWN, STATIC = "#00798c", "#8d96a3"
Timeline = list[dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """What is drawn, and where it goes."""

    task: str = "digits"
    """The dataset."""
    controller: str = "pace:1:0.5"
    """The rule: cost rises geometrically to all of the budget, 16 times the first cost, by mid-schedule."""
    training_flops: float = 2e10
    """Of each child."""
    validation_fraction: float = 0.3
    """Of the training split: the more, the less noise."""
    seeds: int = 5
    """Pairs of children."""
    out: Path = Path("docs/growth.png")
    """The picture."""


def pair(settings: Settings, seed: int) -> tuple[mse_rl.Grown, mse_rl.Grown]:
    """Grow a child, and train its final architecture from the start."""
    data = mse_rl.TaskConfig(validation_fraction=settings.validation_fraction)
    task = mse_rl.load_task(settings.task, data)
    common = {"seed": seed, "training_flops": settings.training_flops, "refit": False}
    grown = mse_rl.apply(task, settings.controller, **common)
    with tempfile.TemporaryDirectory() as folder:
        grown.save(folder)
        static = mse_rl.apply(task, "static", architecture=Path(folder), **common)
    return grown, static


def draw(settings: Settings, pairs: list[tuple[mse_rl.Grown, mse_rl.Grown]]) -> Figure:
    """Draw skill and FLOPs over what has been spent on training, and mark every growth of the first child."""
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    skill, flops = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.6))
    for index, (label, colour) in enumerate((("grown", GROWN), ("its final size from the start", STATIC))):
        timelines = [both[index].growth["timeline"] for both in pairs]
        spent = over(timelines, "training_flops") / 1e9
        values = over(timelines, "skill")
        skill.plot(spent.mean(0), values.mean(0), color=colour, marker="o", ms=4, label=label)
        skill.fill_between(spent.mean(0), values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)
        costs = over(timelines, "flops").mean(0) / 1e6
        flops.step(spent.mean(0), [*costs[1:], costs[-1]], where="post", color=colour)
    mark(skill, flops, pairs[0][0].growth["timeline"])
    accuracies = [
        100 * np.mean([each.growth["test_accuracy"] for each in side]) for side in zip(*pairs, strict=True)
    ]
    skill.set_title(
        f"{settings.task}: mean of {len(pairs)} seeds, shaded from worst to best; test accuracy in the end "
        f"{accuracies[0]:.1f}% and {accuracies[1]:.1f}%",
        loc="left",
        fontsize=9,
    )
    skill.set_ylabel("validation skill")
    skill.legend(loc="lower right", fontsize=8)
    flops.set_ylabel("MFLOPs of a\nforward pass")
    flops.set_xlabel("GFLOPs spent on training")
    for axes in (skill, flops):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def over(timelines: list[Timeline], name: str) -> np.ndarray:
    """Return one figure of every slice, (seeds, slices)."""
    return np.array([[entry[name] for entry in timeline] for timeline in timelines], dtype=float)


def mark(skill: Axes, flops: Axes, timeline: Timeline) -> None:
    """Mark where a child was transformed, and by what."""
    for before, entry in pairwise(timeline):
        if entry["transformation"] == "wait":
            continue
        at = before["training_flops"] / 1e9
        for axes in (skill, flops):
            axes.axvline(at, color=GROWN, lw=1, ls=":")
        skill.annotate(
            entry["transformation"],
            (at, 0.03),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=7,
            ha="right",
            color=GROWN,
        )


def main(settings: Settings) -> None:
    """Train all children, draw the picture, print the accuracies."""
    pairs = [pair(settings, seed) for seed in range(settings.seeds)]
    draw(settings, pairs).savefig(settings.out, dpi=110)
    for grown, static in pairs:
        print(f"test accuracy {grown.growth['test_accuracy']:.4f} {static.growth['test_accuracy']:.4f}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
