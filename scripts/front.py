"""Test accuracy against training FLOPs: children that grow by rules, against static ones of seven sizes.

    python scripts/front.py DATA_DIR --settings "fashion, few" table --seeds 0 1 2 --out front

Every static child has its own best learning rate of three, chosen on validation with a seed of its own.
``best`` is the size that is best by test accuracy, averaged over the seeds: a search that costs nothing.
``searched`` is chosen on validation where the search is paid out of the same C: each of the seven sizes
trains with a fourteenth of it, and the one that is best trains with the other half. Writes OUT.json, OUT.md
and OUT.png.
"""

import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from matplotlib.figure import Figure
from settings import SETTINGS, Outcome, Run, grow

WIDTHS = (0.5, 0.71, 1.0, 1.41, 2.0, 2.83, 4.0)
RATES = (0.5, 1.0, 2.0)
RULES = ("wait", "random", "threshold", "widen", "pace", "pace:0.25:0.3", "pace:1:0.6")
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


Results = dict[Run, Outcome]


def main(arguments: Arguments) -> None:
    """Run everything; write the table, the figures and the picture."""
    cells = [
        (name, flops)
        for name in arguments.settings
        for flops in SETTINGS[name].training_flops[: arguments.lengths]
    ]
    with ProcessPoolExecutor(arguments.workers, mp_context=get_context("spawn")) as pool:

        def play(runs: Iterable[Run]) -> Results:
            runs = list(dict.fromkeys(runs))
            return dict(zip(runs, pool.map(partial(grow, data_dir=arguments.data_dir), runs), strict=True))

        tried = play(
            Run(name, flops, RATE_SEED, width=width, rate=rate)
            for name, flops in cells
            for width in WIDTHS
            for rate in RATES
        )

        def rate_of(name: str, flops: float, width: float) -> float:
            runs = {rate: tried[Run(name, flops, RATE_SEED, width=width, rate=rate)] for rate in RATES}
            return max(RATES, key=lambda rate: runs[rate].validation)

        statics = {
            (name, flops, width, seed): Run(name, flops, seed, width=width, rate=rate_of(name, flops, width))
            for name, flops in cells
            for width in WIDTHS
            for seed in arguments.seeds
        }
        short = {key: replace(run, training_flops=key[1] / (2 * len(WIDTHS))) for key, run in statics.items()}
        results = play([*statics.values(), *short.values()])
        found = {}
        for name, flops in cells:
            for seed in arguments.seeds:
                width = max(WIDTHS, key=lambda w: results[short[name, flops, w, seed]].validation)
                found[name, flops, seed] = replace(
                    statics[name, flops, width, seed], training_flops=flops / 2
                )
        results |= play(found.values())
        grown = {
            (name, flops, rule, seed): Run(name, flops, seed, controller=rule)
            for name, flops in cells
            for rule in arguments.rules
            for seed in arguments.seeds
        }
        results |= play(grown.values())

    rows = []
    for name, flops in cells:
        sizes = {
            width: np.array([results[statics[name, flops, width, seed]].test for seed in arguments.seeds])
            for width in WIDTHS
        }
        best = max(WIDTHS, key=lambda width: sizes[width].mean())
        searched = np.array([results[found[name, flops, seed]].test for seed in arguments.seeds])
        row = {
            "setting": name,
            "training_flops": flops,
            "static": {f"{width:g}": values.tolist() for width, values in sizes.items()},
            "passes of the first": results[statics[name, flops, 1.0, arguments.seeds[0]]].passes,
            "best": sizes[best].tolist(),
            "best width": best,
            "searched": searched.tolist(),
            "grown": {
                rule: [results[grown[name, flops, rule, seed]].test for seed in arguments.seeds]
                for rule in arguments.rules
            },
        }
        rows.append(row)
    arguments.out.with_suffix(".json").write_text(json.dumps({"arguments": _plain(arguments), "rows": rows}))
    arguments.out.with_suffix(".md").write_text(table(rows, arguments.rules))
    draw(rows, arguments.rules, arguments.out.with_suffix(".png"))
    print(table(rows, arguments.rules))


def table(rows: list[dict], rules: tuple[str, ...]) -> str:
    """Return the means over seeds in Markdown: test accuracy in %."""
    headings = ["setting", "TFLOPs", "passes", "best static (width)", "searched", *rules]
    lines = [headings, ["---"] * len(headings)]
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
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def draw(rows: list[dict], rules: tuple[str, ...], path: Path) -> None:
    """Draw accuracy against training FLOPs for every setting."""
    names = list(dict.fromkeys(row["setting"] for row in rows))
    figure = Figure(figsize=(5 * len(names), 4.5), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names, strict=True):
        mine = [row for row in rows if row["setting"] == name]
        x = [row["training_flops"] for row in mine]
        for width in mine[0]["static"]:
            y = [np.mean(row["static"][width]) for row in mine]
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
