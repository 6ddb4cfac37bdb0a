"""What growth is worth: which share of static training reaches what the grown child reaches.

    python scripts/experiments/worth.py DATA_DIR --settings "fashion, few" table --seeds 0 1 --out worth

A child grows by a rule; its final architecture then trains from new weights with shares of the same training
FLOPs. The share at which it is level with the grown child, f, is interpolated. With g, the share of the
schedule before the last growth, the worth of what was learnt before is (f - (1 - g)) / g: none, if the grown
child is only what one is that trains for the time after the last growth; all, if it is what one is that
trains all the time. Writes OUT.json, OUT.md and OUT.png.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from matplotlib.figure import Figure
from settings import SETTINGS, Run, grow

from mse_rl.agents.evaluation import paired_interval
from mse_rl.runs.report import markdown_table

SHARES = (0.4, 0.8, 0.88, 0.94, 1.0)


@dataclass(frozen=True)
class Arguments:
    """What is compared."""

    data_dir: tyro.conf.Positional[Path]
    """Folder with the datasets."""
    settings: tuple[str, ...] = tuple(SETTINGS)
    """Keys of SETTINGS."""
    rule: str = "pace:0.5:0.4"
    """That grows the children."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Of the children."""
    rates: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Learning rates of static children, over the default; the best on validation is taken, with another
    seed."""
    length: int = 3
    """Which of a setting's training FLOPs, from the smallest."""
    workers: int = 2
    """Processes, each with one thread."""
    out: Path = Path("worth")
    """What the files are called."""


def main(arguments: Arguments) -> None:
    """Run everything; write the table, the figures and the picture."""
    rows = []
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        play = partial(pool.map, partial(grow, data_dir=arguments.data_dir))
        for name in arguments.settings:
            flops = SETTINGS[name].training_flops[arguments.length]
            grown = list(
                play([Run(name, flops, seed, arguments.rule, width=None) for seed in arguments.seeds])
            )
            final = grown[0].architecture
            tried = play([Run(name, flops, 1000, rate=rate, start=final) for rate in arguments.rates])
            rate = max(zip(tried, arguments.rates, strict=True), key=lambda pair: pair[0].validation)[1]
            runs = [
                Run(name, share * flops, seed, rate=rate, start=final)
                for share in SHARES
                for seed in arguments.seeds
            ]
            static = np.array([outcome.test for outcome in play(runs)]).reshape(len(SHARES), -1)
            rows.append(row(name, flops, [o.test for o in grown], static, grown[0].last_growth))
            print(table(rows[-1:]))
    arguments.out.with_suffix(".json").write_text(json.dumps(rows))
    arguments.out.with_suffix(".md").write_text(table(rows))
    draw(rows, arguments.out.with_suffix(".png"))


def row(name: str, flops: float, grown: list[float], static: np.ndarray, before: float) -> dict[str, Any]:
    """Return the figures of a setting.

    Args:
        name: of the setting.
        flops: training FLOPs.
        grown: test accuracy in %, for each seed.
        static: the same of the final architecture (shares, seeds).
        before: share of the schedule before the last growth.
    """
    curve = np.maximum.accumulate(static.mean(axis=1))
    level = float(np.interp(np.mean(grown), curve, SHARES))
    return {
        "setting": name,
        "training_flops": flops,
        "grown": grown,
        "static": static.tolist(),
        "difference": paired_interval(np.array(grown) - static[-1]),
        "level": level,
        "before": before,
        "worth": (level - (1 - before)) / before if before else None,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures in Markdown."""
    headings = ["setting", "TFLOPs", "grown", *(f"static, {share:g}" for share in SHARES)]
    headings += ["grown - static [95%]", "level at", "grown by", "worth"]
    lines: list[list[str]] = []
    for of in rows:
        lines.append(
            [
                of["setting"],
                f"{of['training_flops'] / 1e12:g}",
                f"{np.mean(of['grown']):.2f}",
                *(f"{np.mean(values):.2f}" for values in of["static"]),
                "{mean:+.2f} [{low:+.2f}, {high:+.2f}]".format(**of["difference"]),
                f"{of['level']:.2f}",
                f"{of['before']:.2f}",
                "" if of["worth"] is None else f"{100 * of['worth']:.0f}%",
            ]
        )
    return markdown_table(headings, lines) + "\n"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw the static child's accuracy over its share, and the grown child's level."""
    figure = Figure(figsize=(4 * len(rows), 3.5), layout="constrained")
    for axes, of in zip(np.atleast_1d(figure.subplots(1, len(rows))), rows, strict=True):
        axes.plot(SHARES, np.mean(of["static"], axis=1), color="black", marker="o", label="static")
        axes.axhline(np.mean(of["grown"]), color="#d1495b", label="grown")
        axes.set_title(of["setting"], loc="left")
        axes.set_xlabel("share of the training FLOPs")
        axes.set_ylabel("test accuracy, %")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main(tyro.cli(Annotated[Arguments, tyro.conf.arg(name="")]))
