"""The comparison of a policy with the rules, as a table."""

from typing import Any

import numpy as np

COLUMNS = (
    "controller",
    "utility",
    "validation skill",
    "test accuracy",
    "MFLOPs",
    "training GFLOPs",
    "learned minus this [95%]",
)


def comparison_rows(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return a row of text for each controller of a ``summary.json``, in the order of ``COLUMNS``."""
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
                f"{mean['flops'] / 1e6:.3f}",
                f"{mean['training_flops'] / 1e9:.2f}",
                f"{paired['mean']:+.3f} [{paired['low']:+.3f}, {paired['high']:+.3f}]" if paired else "",
            )
        )
    return rows


def markdown(summary: dict[str, Any]) -> str:
    """Return the table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *comparison_rows(summary)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
