"""What a grown network says of a dataset."""

import csv
from typing import Any

from rich.console import Console

from mse_rl.apply_config import PredictConfig
from mse_rl.cli.console import say
from mse_rl.data.checks import check_data
from mse_rl.data.labels import class_numbers
from mse_rl.data.raw import RawData
from mse_rl.data.sources import find_source
from mse_rl.data.table import TableEncoder
from mse_rl.errors import InvalidTask, brief
from mse_rl.runs.directory import require_new_file
from mse_rl.runs.grown import load


def predict(config: PredictConfig, console: Console) -> None:
    """Print how many samples a child tells right, and write what it says of each.

    Raises:
        MseRlError: for anything that is wrong with child, dataset or settings; then no file is written.
    """
    if config.out is not None:
        require_new_file(config.out)
    grown = load(config.child)
    source, argument = find_source(config.task)
    try:
        raw = source(argument, config.data)
        check_data(raw)
        class_numbers(raw)
        x, y = (raw.x_train, raw.y_train) if config.split == "train" else (raw.x_test, raw.y_test)
        probabilities = grown.predict_proba(_given(raw, x))
    except InvalidTask as error:
        raise InvalidTask(f"{brief(config.task)}: {error}") from error
    best = probabilities.argmax(axis=1)
    predicted = [str(name) for name in grown.classes_[best]]
    labels = [raw.classes[int(number)] if raw.classes else str(int(number)) for number in y]
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


def _given(raw: RawData, x: Any) -> Any:
    """Return inputs as ``Grown.predict`` takes them: the rows of a table by the names of its columns."""
    if isinstance(raw.encoder, TableEncoder):
        names = raw.encoder.numeric + raw.encoder.categorical
        return [dict(zip(names, row, strict=True)) for row in x]
    return x
