"""The command that trains a controller: what it prints."""

import shlex
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from mse_rl.cli.console import say
from mse_rl.cli.progress import training_bars
from mse_rl.config import TrainConfig
from mse_rl.measures import measure_of
from mse_rl.runs.table import comparison_rows
from mse_rl.runs.train import train as run

HEADINGS = (
    "\ncontroller",
    "\nutility",
    "valid.\nskill",
    "test\naccuracy",
    "\n{unit}",
    "training\nGFLOPs",
    "learned minus\nthis [95%]",
)
"""The columns of the comparison, for a terminal of 80 characters."""
NEXT: dict[str, str] = {
    "let it grow a network on another dataset": "mse-rl apply {folder} --task fashion_mnist",
    "look at the reward curves": "tensorboard --logdir {folder}",
}
"""The commands that a user may want next."""


def train(config: TrainConfig, console: Console) -> None:
    """Train a controller with its progress shown, and print how it compares with the rules.

    Raises:
        MseRlError: for anything that is wrong with the settings, before the folder is made.
    """
    with training_bars(console, config) as bars:
        result = run(
            config,
            tell=lambda line: say(console, line),
            on_start=bars.start,
            on_episode=bars.episode,
            on_context=bars.context,
        )
    _show(result.summary, result.folder, console)


def _show(summary: dict[str, Any], folder: Path, console: Console) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0))
    unit = measure_of(summary["cost_measure"]).unit
    for heading in HEADINGS:
        side: Literal["left", "right"] = "left" if heading == HEADINGS[0] else "right"
        table.add_column(heading.format(unit=unit), justify=side, no_wrap=True)
    for row in comparison_rows(summary):
        table.add_row(*row)
    console.print(table)
    say(console, f"Kept in {folder}. What to type next:")
    for what, line in NEXT.items():
        say(console, f"  {what}:\n    {line.format(folder=shlex.quote(str(folder)))}")
