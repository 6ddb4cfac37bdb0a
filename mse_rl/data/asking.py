"""Samples that a grown network is asked about: those of a dataset, or of a file with or without labels."""

from collections.abc import Callable

from mse_rl.config.training import TaskConfig
from mse_rl.data.checks import check_data
from mse_rl.data.csv_source import asked_rows
from mse_rl.data.folder import asked_images
from mse_rl.data.npz import asked_arrays
from mse_rl.data.raw import Asked, class_numbers
from mse_rl.data.reader import InputReader
from mse_rl.data.sources import find_source
from mse_rl.errors import InvalidTask

ASKED: dict[str, Callable[[str, TaskConfig, str, InputReader], Asked]] = {
    "csv": asked_rows,
    "folder": asked_images,
    "npz": asked_arrays,
}
"""What reads the files of the user's own, by the first word of the task's name."""


def ask(name: str, config: TaskConfig, split: str, reader: InputReader) -> Asked:
    """Return samples for a network.

    Args:
        name: of a task, as ``load_task`` takes it, but for those of the user's own code.
        config: how the dataset is found.
        split: train or test; a file that is not split, and cannot have been trained on, is read as a whole.
        reader: what the network reads.

    Raises:
        InvalidTask: the dataset is unknown, missing or broken, or not what the network reads.
    """
    source, argument = find_source(name)
    try:
        word = name.partition(":")[0]
        if word in ASKED:
            return ASKED[word](argument, config, split, reader)
        raw = source(argument, config)
        check_data(raw)
        class_numbers(raw)
    except InvalidTask as error:
        raise InvalidTask(f"{name}: {error}") from error
    x, y = (raw.x_train, raw.y_train) if split == "train" else (raw.x_test, raw.y_test)
    inputs = raw.records(split) if raw.records else x
    return Asked(inputs, [raw.classes[int(number)] if raw.classes else str(int(number)) for number in y])
