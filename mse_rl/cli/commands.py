"""What the commands print and write: train, apply, predict."""

import csv
import json
import shlex
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mse_rl.cli.console import say, training_bars
from mse_rl.config.commands import ApplyConfig, PredictConfig, TrainConfig
from mse_rl.costs.measures import measure_of
from mse_rl.data import load_task
from mse_rl.data.checks import check_data
from mse_rl.data.raw import class_numbers
from mse_rl.data.sources import find_source, is_own, load_tasks
from mse_rl.errors import InvalidTask
from mse_rl.runs.folders import begin, new_directory, require_new_file
from mse_rl.runs.growing import Growth, grow
from mse_rl.runs.grown import Grown, load, save_child
from mse_rl.runs.report import comparison_rows, save_report
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
    folders: list[Path] = []
    try:
        with training_bars(console, config) as bars:

            def started(folder: Path) -> None:
                folders.append(folder)
                bars.start()

            result = run(
                config,
                tell=lambda line: say(console, line),
                on_start=started,
                on_episode=bars.episode,
                on_context=bars.context,
            )
    except KeyboardInterrupt:
        for folder in folders:
            if (folder / "policy" / "policy.json").is_file():
                name = shlex.quote(str(folder))
                say(
                    console,
                    f"the policy of the last update is kept: mse-rl apply {name} --task TASK",
                )
        raise
    _show_comparison(result.summary, result.folder, console)


def _show_comparison(summary: dict[str, Any], folder: Path, console: Console) -> None:
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


FULL = 0.8
"""A child that takes this share of its budget has no room for the smallest growth of it all, ×1.25."""


def apply(config: ApplyConfig, console: Console) -> Path:
    """Grow a child, print each decision, and keep the child with the record of its growth.

    Returns:
        The folder with child.safetensors, architecture.json, growth.json and report.png.

    Raises:
        MseRlError: for anything that is wrong with the settings, or if the child diverges; then no
            folder is made.
    """
    folder = new_directory(config.out)
    tell = partial(say, console)
    growth = grow(
        config,
        lambda: load_tasks((config.task,), config.data, tell)[0],
        tell,
    )
    begin(folder, growth.config)
    save_child(folder, growth.process.child, growth.record)
    accuracy = 100 * (growth.episode.test_accuracy or 0)
    title = f"{config.controller} on {growth.task.name}: test accuracy {accuracy:.2f}%"
    save_report(folder / "report.png", title, growth.timeline)
    _show(folder, growth, console)
    return folder


def _show(folder: Path, growth: Growth, console: Console) -> None:
    episode, kept, process = growth.episode, growth.kept, growth.process
    final = episode.final
    if kept.slice_index < final["slice"]:
        say(
            console,
            f"the child after slice {kept.slice_index} is kept, which validated better than the last one: "
            f"{100 * kept.validation.accuracy:.2f}% to {100 * process.state.validation.accuracy:.2f}%",
        )
    accuracy = 100 * (episode.test_accuracy or 0)
    cost = measure_of(final["cost_measure"]).shown(final["cost"])
    spent = final["training_flops"] / 1e12
    say(console, f"test accuracy {accuracy:.2f}%  {cost}  {spent:.3f} TFLOPs of training")
    if not process.fits:
        say(
            console,
            f"warning: the child is beyond its budget{process.bounds.excess(process.state.architecture)}: "
            "give it more `slices` to shrink in",
        )
    elif final["cost"] > FULL * final["cost_budget"]:
        measure = measure_of(final["cost_measure"])
        shown = measure.shown(final["cost_budget"])
        say(console, f"the budget of {shown} left no room to grow: `{measure.budget}` raises it")
    say(console, f"Kept in {folder}: child.safetensors, architecture.json, growth.json, report.png.")
    say(console, f"To use it in Python: mse_rl.load({str(folder)!r}).predict(raw_inputs)")


Probabilities = NDArray[np.float64]
"""Of each class, (n, K)."""


def predict(config: PredictConfig, console: Console) -> None:
    """Print how many samples a child classifies correctly, and write what it says of each.

    Raises:
        MseRlError: for anything that is wrong with child, dataset or settings; then no file is written.
    """
    if config.out is not None:
        require_new_file(config.out)
    grown = load(config.child)
    probabilities, labels = (_of_own if is_own(config.task) else _of_source)(config, grown)
    best = probabilities.argmax(axis=1)
    predicted = [str(name) for name in grown.classes_[best]]
    right = sum(a == b for a, b in zip(predicted, labels, strict=True))
    say(console, f"accuracy {100 * right / len(labels):.2f}%, {right:,} of {len(labels):,} samples")
    if config.out is not None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        with config.out.open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["predicted", "probability", "label"])
            for row in zip(predicted, probabilities.max(axis=1).round(6), labels, strict=True):
                rows.writerow(row)
        say(console, f"Written to {config.out}.")


def _of_source(config: PredictConfig, grown: Grown) -> tuple[Probabilities, list[str]]:
    """Return the child's predictions for the samples of a source, and their labels."""
    source, argument = find_source(config.task)
    try:
        raw = source(argument, config.data)
        check_data(raw)
        class_numbers(raw)
        x, y = (raw.x_train, raw.y_train) if config.split == "train" else (raw.x_test, raw.y_test)
        probabilities = grown.predict_proba(raw.records(config.split) if raw.records else x)
    except InvalidTask as error:
        raise InvalidTask(f"{config.task}: {error}") from error
    named = raw.classes or (("False", "True") if y.dtype.kind == "b" else ())
    return probabilities, [named[int(number)] if named else str(int(number)) for number in y]


def _of_own(config: PredictConfig, grown: Grown) -> tuple[Probabilities, list[str]]:
    """Return the same of a user's own task, whose samples are encoded already: as they were for the child, or
    it is refused.
    """
    task = load_task(config.task, config.data)
    if json.loads(json.dumps(task.record)) != grown.growth["input"]:
        raise InvalidTask(
            f"{config.task}: expected inputs that are encoded as the child's were, got others: say what "
            "apply was told of the data (--validation-fraction, --split-seed, ...), or give raw inputs to "
            "mse_rl.load(CHILD).predict"
        )
    splits = (task.train, task.validation) if config.split == "train" else (task.test,)
    probabilities = np.concatenate([grown.probabilities(split.inputs(slice(None))) for split in splits])
    return probabilities, [str(grown.classes_[int(number)]) for split in splits for number in split.y]
