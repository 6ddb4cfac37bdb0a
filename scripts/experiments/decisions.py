"""What a policy decides with little and with much to spend, and with few and with many samples.

    python scripts/experiments/decisions.py small --out decisions

Plays the policy on the tasks that it was trained on, with several numbers of training FLOPs and of training
samples. Prints how often it chose each kind of transformation and by how much the child grew; writes OUT.png.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from matplotlib.figure import Figure

from mse_rl.agents.controller import run_episode
from mse_rl.agents.learned import Learned
from mse_rl.config.training import ExpansionConfig, GrowthConfig, TaskConfig
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.runs.policy import load_policy


@dataclass(frozen=True)
class Arguments:
    """What is played."""

    policy: tyro.conf.Positional[str]
    """A policy that comes along, or the folder of a run or policy."""
    tasks: tuple[str, ...] = ("digits", "digit_sums", "teacher")
    """Datasets."""
    passes: tuple[float, ...] = (2, 8, 32, 128)
    """Training FLOPs, in passes of the first child over all the data."""
    samples: tuple[int, ...] = (300, 100_000)
    """Most training samples; the training FLOPs are those of all of them."""
    width_multiple: float = 0.25
    """Width of the first child over that of its family."""
    budget_multiple: float = 16.0
    """Budget over what the first child costs."""
    seeds: int = 4
    """Episodes of each kind."""
    out: Path = Path("decisions")
    """What the picture is called."""


def main(arguments: Arguments) -> None:
    """Play everything, print the table, draw the picture."""
    torch.set_num_threads(1)
    policy = load_policy(arguments.policy)
    controller = Learned(policy.network)
    rows: list[dict[str, Any]] = []
    for task in arguments.tasks:
        for most in arguments.samples:
            growth = GrowthConfig(slices=policy.slices)
            config = ExpansionConfig(
                task=(task,), data=TaskConfig(max_train=most), growth=growth, reward=policy.reward
            )
            env = ExpansionEnv(config)
            every = len(ExpansionEnv(replace(config, data=TaskConfig())).tasks[0].train)
            for passes in arguments.passes:
                seen = passes * every / len(env.tasks[0].train)
                context = Context(0, 0, arguments.budget_multiple, seen, arguments.width_multiple)
                rows.append({"task": task, "samples": len(env.tasks[0].train), "passes": passes})
                rows[-1] |= played(env, controller, context, arguments.seeds)
                print(line(rows[-1]))
    draw(rows, arguments.passes, arguments.out.with_suffix(".png"))


def played(env: ExpansionEnv, controller: Learned, context: Context, seeds: int) -> dict[str, Any]:
    """Return what was chosen, in all episodes together, and by how much the FLOPs grew."""
    kinds: Counter[str] = Counter()
    growth = []
    for seed in range(1000, 1000 + seeds):
        episode = run_episode(
            env, controller, replace(context, seed=seed), seeds=range(env.config.growth.slices)
        )
        kinds.update(info["transformation"].partition("_x")[0] for info in episode.infos)
        growth.append(np.log2(episode.final["flops"] / episode.start["flops"]))
    return {"kinds": kinds, "doublings": float(np.mean(growth))}


def line(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    total = sum(row["kinds"].values())
    kinds = ", ".join(f"{name} {100 * count / total:.0f}%" for name, count in row["kinds"].most_common(5))
    where = f"{row['task']:12} {row['samples']:6d} samples {row['passes']:6g} passes"
    return f"{where}  {row['doublings']:+.1f} doublings of FLOPs  {kinds}"


def draw(rows: list[dict[str, Any]], passes: tuple[float, ...], path: Path) -> None:
    """Draw by how much children grow over what there is to spend."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for start in range(0, len(rows), len(passes)):
        part = rows[start : start + len(passes)]
        label = f"{part[0]['task']}, {part[0]['samples']} samples"
        axes.plot(passes, [row["doublings"] for row in part], marker="o", label=label)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("training FLOPs, in passes of the first child over all the data")
    axes.set_ylabel("doublings of FLOPs at the end")
    axes.grid(alpha=0.25)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Annotated[Arguments, tyro.conf.arg(name="")]))
