"""A run for people: pictures of growth, tables of comparisons."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mse_rl.costs.measures import measure_of
from mse_rl.envs.expansion import place
from mse_rl.runs.folders import write_bytes
from mse_rl.transformations import transformation

COLOURS = {
    "deepen": "#d1495b",
    "widen_inner": "#edae49",
    "widen_stream": "#00798c",
    "grow_kernel": "#6a994e",
    "activation": "#7b2cbf",
    "link": "#3a86ff",
    "unlink": "#9db4c0",
    "narrow_inner": "#b08968",
    "narrow_stream": "#7f5539",
    "remove_block": "#6c584c",
    "stop": "#30323d",
}
"""By what a transformation's name begins with; others are grey."""
OTHER = "#8d96a3"


def growth_figure(title: str, timeline: Sequence[dict[str, Any]]) -> Figure:
    """Draw validation skill and cost over a child's training, with a mark at every transformation.

    Args:
        title: printed above.
        timeline: one entry per slice, the first before any training: ``share``, ``skill``, ``cost``,
            ``cost_measure``, ``cost_budget``, ``refit``, and, but for the first, ``transformation`` and
            ``target``, applied at the beginning of the slice. Skill is not drawn where it was not measured.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    skill_axes, cost_axes = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    shares = [entry["share"] for entry in timeline]
    measured = [entry for entry in timeline if not entry["refit"]]
    line = [entry["share"] for entry in measured], [entry["skill"] for entry in measured]
    skill_axes.plot(*line, color="#30323d", marker="o", ms=4)
    skill_axes.set_ylabel("validation skill")
    skill_axes.set_title(title, loc="left")
    measure = measure_of(timeline[0]["cost_measure"])
    costs = [entry["cost"] / measure.per_unit for entry in timeline]
    budget = timeline[0]["cost_budget"] / measure.per_unit
    cost_axes.step(shares, [*costs[1:], costs[-1]], where="post", color="#30323d")
    cost_axes.axhline(budget, color=OTHER, ls=":", label="budget")
    cost_axes.set_ylabel(measure.unit)
    cost_axes.set_xlabel("share of the schedule")
    cost_axes.set_ylim(0, 1.3 * max(budget, *costs))
    _mark(skill_axes, cost_axes, timeline)
    for axes in (skill_axes, cost_axes):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = skill_axes.get_legend_handles_labels()
    more_handles, more_labels = cost_axes.get_legend_handles_labels()
    cost_axes.legend(handles + more_handles, labels + more_labels, loc="upper left", fontsize=8, ncols=5)
    return figure


def _mark(skill_axes: Axes, cost_axes: Axes, timeline: Sequence[dict[str, Any]]) -> None:
    """Mark each transformation where it was applied: between two slices."""
    named: set[str] = set()
    for before, entry in pairwise(timeline):
        name = entry["transformation"]
        if transformation(name).changes_nothing:
            continue
        kind = next((kind for kind in COLOURS if name.startswith(kind)), name)
        label = None if kind in named else kind
        named.add(kind)
        colour = COLOURS.get(kind, OTHER)
        skill_axes.axvline(before["share"], color=colour, lw=1.5, alpha=0.8, label=label)
        cost_axes.axvline(before["share"], color=colour, lw=1.5, alpha=0.8)
        back = " (taken back)" if entry["receipt"]["rolled_back"] else ""
        skill_axes.annotate(
            f"{name} {place(entry['target'])}{back}",
            (before["share"], 0.02),
            xycoords=("data", "axes fraction"),
            rotation=90,
            fontsize=7,
            ha="right",
            color=colour,
        )


def save_report(path: Path, title: str, timeline: Sequence[dict[str, Any]]) -> None:
    """Write the picture as a PNG file."""
    file = BytesIO()
    growth_figure(title, timeline).savefig(file, format="png", dpi=130)
    write_bytes(path, file.getvalue())


def columns(summary: dict[str, Any]) -> tuple[str, ...]:
    """Return the headings of the table."""
    return (
        "controller",
        "utility",
        "validation skill",
        "test accuracy",
        measure_of(summary["cost_measure"]).unit,
        "training GFLOPs",
        f"{next(iter(summary['controllers']))} minus this [95%]",
    )


def comparison_rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of text for each controller of a ``summary.json``, in the order of ``columns``."""
    per_unit = measure_of(summary["cost_measure"]).per_unit
    rows: list[tuple[str, ...]] = []
    for name, figures in summary["controllers"].items():
        mean = {key: float(np.mean(values)) for key, values in figures.items()}
        paired = summary["paired"].get(name)
        rows.append(
            (
                name,
                f"{mean['utility']:.4f}",
                f"{mean['validation_skill']:.4f}",
                f"{100 * mean['test_accuracy']:.2f}%",
                f"{mean['cost'] / per_unit:.3f}",
                f"{mean['training_flops'] / 1e9:.2f}",
                f"{paired['mean']:+.3f} [{paired['low']:+.3f}, {paired['high']:+.3f}]" if paired else "",
            )
        )
    return rows


def markdown(summary: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    return markdown_table(columns(summary), comparison_rows(summary))


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of text below their headings, as a table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
