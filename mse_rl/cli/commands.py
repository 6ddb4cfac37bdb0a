"""What the commands print and write: train, apply, predict."""

import csv
import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mse_rl.cli.console import TrainingBars, say, training_bars
from mse_rl.config.commands import ApplyConfig, PredictConfig, TrainConfig
from mse_rl.costs.measures import measure_of
from mse_rl.data import load_task
from mse_rl.data.asking import ask
from mse_rl.data.raw import listed
from mse_rl.data.sources import is_own
from mse_rl.errors import InvalidTask, counted
from mse_rl.runs.applying import go_on_growing, grow_into_new
from mse_rl.runs.folders import make_folder, require_new_file, write_bytes
from mse_rl.runs.growing import Growth
from mse_rl.runs.grown import Grown, load
from mse_rl.runs.learning import Listener
from mse_rl.runs.report import comparison_rows
from mse_rl.runs.train import TrainResult
from mse_rl.runs.train import resume as go_on_training
from mse_rl.runs.train import train as begin_training

HEADINGS = (
    "\ncontroller",
    "\nutility",
    "valid.\nskill",
    "test\naccuracy",
    "\n{unit}",
    "training\nGFLOPs",
    "learned minus\nthis [95%]",
)
"""The columns of the comparison, for a terminal of ``WIDTH`` characters."""
WIDTH = 80
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
    _show_run(partial(begin_training, config), config, "", console)


def resume_training(folder: Path, config: TrainConfig, trust: bool, console: Console) -> None:
    """Go on with a run, and print the same; of one that is finished nothing but that.

    Args:
        folder: of the run.
        config: of the run, with the episodes and workers that it is to have now.
        trust: see ``mse_rl.resume``.
        console: prints.

    Raises:
        MseRlError: for anything that is wrong with the run or the settings.
    """
    go_on = partial(go_on_training, folder, episodes=config.episodes, workers=config.workers, trust=trust)
    _show_run(go_on, config, " --trust-run" if trust else "", console)


def _show_run(run: Callable[..., TrainResult], config: TrainConfig, options: str, console: Console) -> None:
    """Show a run as it goes on, and what comes of it.

    Args:
        run: does it, with a listener.
        config: of the run.
        options: of the command by which it can go on, should it be interrupted.
        console: prints.
    """
    folders: list[Path] = []
    try:
        with training_bars(console, config) as bars:

            def started(folder: Path, episodes: int) -> None:
                folders.append(folder)
                bars.start(episodes)

            tell = partial(say, console)
            result = run(listener=Listener(tell, started, bars.episode, bars.context))
    except BaseException:
        for folder in folders:
            _show_how_to_go_on(folder, bars, options, console)
        raise
    if folders:
        _show_comparison(result.summary, result.folder, console)


def _show_how_to_go_on(folder: Path, bars: TrainingBars, options: str, console: Console) -> None:
    """Print what there is of a run that has been interrupted, and how it can go on."""
    name = shlex.quote(str(folder))
    say(console, f"it has ended after {bars.done}; what there is, is kept in {folder}")
    if (folder / "policy" / "policy.json").is_file():
        say(console, f"the policy of the last update is kept: mse-rl apply {name} --task TASK")
    say(console, f"to go on: mse-rl train --resume {name}{options}")


def _show_comparison(summary: dict[str, Any], folder: Path, console: Console) -> None:
    table = Table(box=None, padding=(0, 1, 0, 0))
    unit = measure_of(summary["cost_measure"]).unit
    for heading in HEADINGS:
        side: Literal["left", "right"] = "left" if heading == HEADINGS[0] else "right"
        table.add_column(heading.format(unit=unit), justify=side, no_wrap=True)
    for row in comparison_rows(summary):
        table.add_row(*row)
    console.print(table, width=max(console.width, WIDTH), crop=False)  # the terminal breaks what is too wide
    say(console, f"Kept in {folder}. What to type next:")
    for what, line in NEXT.items():
        say(console, f"  {what}:")
        say(console, f"    {line.format(folder=shlex.quote(str(folder)))}")


FULL = 0.8
"""A child that takes this share of its budget has no room for the smallest growth of it all, ×1.25."""


def apply(config: ApplyConfig, console: Console) -> None:
    """Grow a child, print each decision, and keep the child with the record of its growth.

    Raises:
        MseRlError: for anything that is wrong with the settings, or if the child diverges; then no
            folder is left.
    """
    with _showing_how_to_go_on("", console) as started:
        folder, growth = grow_into_new(config, partial(say, console), started)
    _show(folder, growth, console)


def resume_growth(folder: Path, config: ApplyConfig, trust: bool, console: Console) -> None:
    """Go on with a growth, and print the same; of one that is finished nothing but that.

    Args:
        folder: of the growth.
        config: its settings.
        trust: whether their code of others is imported.
        console: prints.

    Raises:
        MseRlError: for anything that is wrong, or if the child diverges; then no folder is left.
    """
    with _showing_how_to_go_on(" --trust-run" if trust else "", console) as started:
        growth = go_on_growing(folder, config, partial(say, console), started)
    if growth is None:
        say(console, f"{folder} is finished")
    else:
        _show(folder, growth, console)


@contextmanager
def _showing_how_to_go_on(options: str, console: Console) -> Iterator[Callable[[Path], None]]:
    """Print how a growth can go on that is interrupted; gives what is to be called with its folder."""
    folders: list[Path] = []
    try:
        yield folders.append
    except BaseException:
        for folder in folders:
            if folder.is_dir():
                say(console, f"to go on: mse-rl apply --resume {shlex.quote(str(folder))}{options}")
        raise


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
    probabilities, columns = (_of_own if is_own(config.task) else partial(_of_source, console))(config, grown)
    predicted = [str(name) for name in grown.classes_[probabilities.argmax(axis=1)]]
    count = counted(len(predicted), "sample")
    if labels := columns.get("label"):
        right = sum(a == b for a, b in zip(predicted, labels, strict=True))
        say(console, f"accuracy {100 * right / len(labels):.2f}%, {right:,} of {count}")
    else:
        found = [f"{number:,} {name}" for name, number in Counter(predicted).most_common()]
        say(console, f"{count} without labels: {listed(found)}")
    if config.out is not None:
        make_folder(config.out.parent)
        file = StringIO(newline="")
        rows = csv.writer(file)
        rows.writerow(["predicted", "probability", *columns])
        rows.writerows(zip(predicted, probabilities.max(axis=1).round(6), *columns.values(), strict=True))
        write_bytes(config.out, file.getvalue().encode(errors="backslashreplace"))
        say(console, f"Written to {config.out}.")


Columns = dict[str, Sequence[str]]
"""What is known of the samples beside their predictions, by name: ``label``, ``file``."""


def _of_source(console: Console, config: PredictConfig, grown: Grown) -> tuple[Probabilities, Columns]:
    """Return the child's predictions for the samples of a source, and what is known of them.

    What a user might not expect of how they are read is said.
    """
    asked = ask(config.task, config.data, config.split, grown.reader)
    for note in asked.notes:
        say(console, note)
    try:
        probabilities = grown.probabilities(grown.reader(asked.inputs, white=asked.white))
    except InvalidTask as error:
        raise InvalidTask(f"{config.task}: {error}") from error
    known = {"label": asked.labels, "file": asked.files}
    return probabilities, {name: values for name, values in known.items() if values is not None}


def _of_own(config: PredictConfig, grown: Grown) -> tuple[Probabilities, Columns]:
    """Return the same of a user's own task, whose samples are encoded already: as they were for the child, or
    it is refused.
    """
    task = load_task(config.task, config.data)
    if not _are_alike(json.loads(json.dumps(task.record)), grown.growth["input"]):
        raise InvalidTask(
            f"{config.task}: expected inputs that are encoded as the child's were, got others: say what "
            "apply was told of the data (--validation-fraction, --split-seed, ...), or give raw inputs to "
            "mse_rl.load(CHILD).predict"
        )
    splits = (task.train, task.validation) if config.split == "train" else (task.test,)
    probabilities = np.concatenate([grown.probabilities(split.inputs(slice(None))) for split in splits])
    labels = [str(grown.classes_[int(number)]) for split in splits for number in split.y]
    return probabilities, {"label": labels}


def _are_alike(now: dict[str, Any], kept: dict[str, Any]) -> bool:
    """Return whether inputs are encoded as a child's were; earlier versions did not record what white is."""
    encoding = dict(now["encoding"])
    if "white" not in kept["encoding"]:
        encoding.pop("white", None)
    return now | {"encoding": encoding} == kept
