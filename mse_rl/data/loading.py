"""From a task's name to its tensors: find, check, draw, split, resize, normalise, in this order."""

import logging
from collections.abc import Callable

import numpy as np
import torch

from mse_rl.config import TaskConfig
from mse_rl.data.augmentation import augmentation_for
from mse_rl.data.checks import check_config, check_data
from mse_rl.data.labels import Labels, class_numbers, listed, renumber
from mse_rl.data.preparation import as_float, normalise_, statistics
from mse_rl.data.raw import RawData
from mse_rl.data.sources import find_source
from mse_rl.data.splits import Rows, stratified_split
from mse_rl.data.task import Augmentation, Split, Task
from mse_rl.errors import InvalidTask

_LOGGER = logging.getLogger(__name__)

MAX_VALIDATION = 5_000
"""More samples make the estimate of a child's skill hardly better and every decision slower."""


def load_task(name: str, config: TaskConfig, *, log: Callable[[str], None] = _LOGGER.info) -> Task:
    """Load a dataset, split it, and normalise it by the statistics of its training split.

    Args:
        name: a key of ``SOURCES``, with what its colon asks for: ``"mnist"``, ``"npz:wine.npz"``.
        config: how the dataset is found and prepared.
        log: gets one line for each thing that the user might not expect.

    Returns:
        The task; the same name, data and config give the same tensors in the same order.

    Raises:
        InvalidTask: the dataset is unknown, missing, broken or too small.
    """
    source, argument = find_source(name)
    try:
        return _prepare(name, source(argument, config), config, log)
    except InvalidTask as error:
        raise InvalidTask(f"{name}: {error}") from error


def _prepare(name: str, raw: RawData, config: TaskConfig, log: Callable[[str], None]) -> Task:
    for note in raw.notes:
        log(f"{name}: {note}")
    check_data(raw)
    check_config(raw, config)
    numbers = class_numbers(raw)
    if not np.array_equal(numbers, np.arange(len(numbers))):
        log(f"{name}: labels {listed(numbers)} are renumbered 0..{len(numbers) - 1}")
    y_train, y_test = renumber(raw.y_train, numbers), renumber(raw.y_test, numbers)
    train_rows, validation_rows = _split(y_train, config)

    x_train = as_float(raw.x_train, train_rows, config.resolution)
    mean, deviation = statistics(x_train)
    x_validation = as_float(raw.x_train, validation_rows, config.resolution)
    x_test = as_float(raw.x_test, np.arange(len(y_test)), config.resolution)
    train, validation, test = (
        Split(normalise_(x, mean, deviation), torch.from_numpy(y))
        for x, y in (
            (x_train, y_train[train_rows]),
            (x_validation, y_train[validation_rows]),
            (x_test, y_test),
        )
    )
    augmentation = _augmentation(raw, config, train)
    return Task(
        name,
        raw.kind,
        len(numbers),
        train,
        validation,
        test,
        augmentation,
        mean=tuple(mean.flatten().tolist()),
        deviation=tuple(deviation.flatten().tolist()),
    )


def _split(y: Labels, config: TaskConfig) -> tuple[Rows, Rows]:
    """Return rows of train and validation: each class is in both, and max_train bounds their sum."""
    rng = np.random.default_rng(config.split_seed)
    classes = len(np.unique(y))
    rows: Rows = np.arange(len(y))
    if config.max_train is not None and config.max_train < len(y):
        if config.max_train < 2 * classes:
            raise InvalidTask(
                f"expected max-train of at least {2 * classes}, one sample of each of {classes} classes "
                f"to train and one to validate on, got {config.max_train}: raise it"
            )
        rows, _ = stratified_split(y, config.max_train, rng=rng, least=2, leave=0)
    wanted = min(round(config.validation_fraction * len(rows)), MAX_VALIDATION)
    total = min(max(wanted, classes), len(rows) - classes)
    validation, train = stratified_split(y[rows], total, rng=rng)
    return rows[train], rows[validation]


def _augmentation(raw: RawData, config: TaskConfig, train: Split) -> Augmentation:
    if raw.kind != "image":
        return Augmentation()
    name = raw.augmentation if config.augment == "auto" else config.augment
    return augmentation_for(name, min(train.x.shape[2:]))
