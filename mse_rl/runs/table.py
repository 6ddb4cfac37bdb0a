"""The comparison of a policy with the rules, as a table."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mse_rl.measures import measure_of


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
