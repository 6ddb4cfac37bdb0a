"""Test accuracy against training FLOPs: children that grow by rules, against static ones of seven sizes.

    python scripts/experiments/front.py DATA_DIR --settings "fashion, few" table --seeds 0 1 2 --out front

Every static child has its own best learning rate of three, chosen on validation with a seed of its own.
``best`` is the size that is best by test accuracy, averaged over the seeds: a search that costs nothing.
``searched`` is chosen on validation where the search is paid out of the same C: each of the seven sizes
trains with a fourteenth of it, as far as that pays for a step in every slice, and the one that is best
trains with the other half. Writes OUT.json, OUT.md
and OUT.png.
"""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from matplotlib.figure import Figure
from settings import SETTINGS, Outcome, Run, grow

from mse_rl.errors import InvalidConfig
from mse_rl.runs.report import markdown_table

WIDTHS = (0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)
RATES = (0.5, 1.0, 2.0)
RULES = ("wait", "random", "threshold", "widen", "pace", "pace:0.5:0.4", "balance")
RATE_SEED = 1000


@dataclass(frozen=True)
class Arguments:
    """What is compared."""

    data_dir: tyro.conf.Positional[Path]
    """Folder with the datasets."""
    settings: tuple[str, ...] = tuple(SETTINGS)
    """Keys of SETTINGS."""
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Of the children."""
    rules: tuple[str, ...] = RULES
    """That grow them."""
    lengths: int = 4
    """How many of a setting's training FLOPs, from the smallest."""
    workers: int = 2
    """Processes, each with one thread."""
    out: Path = Path("front")
    """What the files are called."""


Results = dict[Run, Outcome | None]
"""None where the training FLOPs do not pay for a step in every slice."""


def main(arguments: Arguments) -> None:
    """Run one setting and one C after the other; write table, figures and picture after each."""
    rows: list[dict] = []
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:
        play = partial(_play, pool, arguments.data_dir)
        for name in arguments.settings:
            for flops in SETTINGS[name].training_flops[: arguments.lengths]:
                rows.append(row(name, flops, arguments, play))
                arguments.out.with_suffix(".json").write_text(
                    json.dumps({"arguments": _plain(arguments), "rows": rows})
                )
                arguments.out.with_suffix(".md").write_text(table(rows, arguments.rules))
                draw(rows, arguments.rules, arguments.out.with_suffix(".png"))
                print(table(rows[-1:], arguments.rules), flush=True)
    print(table(rows, arguments.rules))


def _play(pool: Executor, data_dir: Path, runs: Iterable[Run]) -> Results:
    runs = list(dict.fromkeys(runs))
    return dict(zip(runs, pool.map(partial(grow_if_paid, data_dir=data_dir), runs), strict=True))


def grow_if_paid(run: Run, data_dir: Path) -> Outcome | None:
    """Train one child, if its training FLOPs pay for a step in every slice."""
    try:
        return grow(run, data_dir)
    except InvalidConfig:
        return None


def row(name: str, flops: float, arguments: Arguments, play: Callable[[Iterable[Run]], Results]) -> dict:
    """Return the figures of a setting at one C."""
    seeds = arguments.seeds
    tried = play(Run(name, flops, RATE_SEED, width=width, rate=rate) for width in WIDTHS for rate in RATES)
    best_of = {
        width: max(
            ((tried[run].validation, run) for run in tried if run.width == width and tried[run]),
            key=lambda pair: pair[0],
            default=(0.0, None),
        )[1]
        for width in WIDTHS
    }
    statics = {
        (width, seed): replace(run, seed=seed) for width, run in best_of.items() if run for seed in seeds
    }
    short = {key: replace(run, training_flops=flops / (2 * len(WIDTHS))) for key, run in statics.items()}
    grown = {
        (rule, seed): Run(name, flops, seed, controller=rule, width=None)
        for rule in arguments.rules
        for seed in seeds
    }
    results = play([*statics.values(), *short.values(), *grown.values()])
    found = {}
    for seed in seeds:
        seen = {key[0]: results[run] for key, run in short.items() if key[1] == seed and results[run]}
        width = max(seen, key=lambda w: seen[w].validation, default=min(key[0] for key in statics))
        found[seed] = replace(statics[width, seed], training_flops=flops / 2)
    results |= play(found.values())
    sizes = {
        width: [results[statics[width, seed]].test for seed in seeds] for width, run in best_of.items() if run
    }
    best = max(sizes, key=lambda width: np.mean(sizes[width]))
    return {
        "setting": name,
        "training_flops": flops,
        "static": {f"{width:g}": values for width, values in sizes.items()},
        "rates": {f"{width:g}": run.rate for width, run in best_of.items() if run},
        "passes of the first": results[statics[1.0, seeds[0]]].passes,
        "best": sizes[best],
        "best width": best,
        "searched": [results[found[seed]].test for seed in seeds],
        "grown": {rule: [results[grown[rule, seed]].test for seed in seeds] for rule in arguments.rules},
    }


def table(rows: list[dict], rules: tuple[str, ...]) -> str:
    """Return the means over seeds in Markdown: test accuracy in %."""
    headings = ["setting", "TFLOPs", "passes", "best static (width)", "searched", *rules]
    lines: list[list[str]] = []
    for row in rows:
        lines.append(
            [
                row["setting"],
                f"{row['training_flops'] / 1e12:g}",
                f"{row['passes of the first']:.1f}",
                f"{np.mean(row['best']):.1f} (×{row['best width']:g})",
                f"{np.mean(row['searched']):.1f}",
                *(f"{np.mean(row['grown'][rule]):.1f}" for rule in rules),
            ]
        )
    differences = {
        rule: [np.mean(row["grown"][rule]) - np.mean(row[of]) for of in ("best", "searched") for row in rows]
        for rule in rules
    }
    half = len(rows)
    for of, part in (("best static", slice(half)), ("searched", slice(half, None))):
        means = [f"{np.mean(differences[rule][part]):+.2f}" for rule in rules]
        lines.append([f"minus {of}, mean", "", "", "", "", *means])
    return markdown_table(headings, lines) + "\n"


def draw(rows: list[dict], rules: tuple[str, ...], path: Path) -> None:
    """Draw accuracy against training FLOPs for every setting."""
    names = list(dict.fromkeys(row["setting"] for row in rows))
    figure = Figure(figsize=(5 * len(names), 4.5), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        mine = [row for row in rows if row["setting"] == name]
        x = [row["training_flops"] for row in mine]
        for width in map("{:g}".format, WIDTHS):
            y = [np.mean(row["static"].get(width, np.nan)) for row in mine]
            axes.plot(x, y, color="#b8bcc2", lw=1)
        axes.plot(x, [np.mean(row["best"]) for row in mine], color="black", label="best static")
        axes.plot(x, [np.mean(row["searched"]) for row in mine], color="black", ls=":", label="searched")
        for rule in rules:
            axes.plot(x, [np.mean(row["grown"][rule]) for row in mine], marker="o", ms=3, label=rule)
        axes.set_xscale("log")
        axes.set_title(name, loc="left")
        axes.set_xlabel("training FLOPs")
        axes.set_ylabel("test accuracy, %")
        axes.grid(alpha=0.25)
        axes.legend(fontsize=7)
    figure.savefig(path, dpi=110)


def _plain(arguments: Arguments) -> dict:
    return {key: str(value) for key, value in asdict(arguments).items() if key != "data_dir"}


if __name__ == "__main__":
    main(tyro.cli(Annotated[Arguments, tyro.conf.arg(name="")]))
