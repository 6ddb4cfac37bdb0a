"""What a grown network says of a dataset."""

import csv
import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from mse_rl.apply_config import PredictConfig
from mse_rl.cli.console import say
from mse_rl.data import load_task
from mse_rl.data.checks import check_data
from mse_rl.data.labels import class_numbers
from mse_rl.data.raw import RawData
from mse_rl.data.sources import find_source, is_own
from mse_rl.data.table import TableEncoder
from mse_rl.errors import InvalidTask
from mse_rl.runs.directory import require_new_file
from mse_rl.runs.grown import Grown, load

Probabilities = NDArray[np.float64]
"""Of each class, (n, K)."""


def predict(config: PredictConfig, console: Console) -> None:
    """Print how many samples a child tells right, and write what it says of each.

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
    """Return what the child says of each sample of a source, and the samples' labels."""
    source, argument = find_source(config.task)
    try:
        raw = source(argument, config.data)
        check_data(raw)
        class_numbers(raw)
        x, y = (raw.x_train, raw.y_train) if config.split == "train" else (raw.x_test, raw.y_test)
        probabilities = grown.predict_proba(_given(raw, x))
    except InvalidTask as error:
        raise InvalidTask(f"{config.task}: {error}") from error
    return probabilities, [raw.classes[int(number)] if raw.classes else str(int(number)) for number in y]


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


def _given(raw: RawData, x: Any) -> Any:
    """Return inputs as ``Grown.predict`` takes them: the rows of a table by the names of its columns."""
    if isinstance(raw.encoder, TableEncoder):
        names = raw.encoder.numeric + raw.encoder.categorical
        return [dict(zip(names, row, strict=True)) for row in x]
    return x
