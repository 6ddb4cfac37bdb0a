"""Where datasets come from: the registry of sources, and loading by name."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mse_rl.config.training import TaskConfig
from mse_rl.data.cifar import cifar10, cifar100
from mse_rl.data.csv_source import csv_file
from mse_rl.data.folder import folder
from mse_rl.data.known import (
    breast_cancer,
    digit_sums,
    digits,
    fashion_mnist,
    hastie,
    kmnist,
    mnist,
    svhn,
    teacher,
    usps,
    wine,
)
from mse_rl.data.npz import npz
from mse_rl.data.preparing import prepare
from mse_rl.data.raw import Source
from mse_rl.data.task import Task
from mse_rl.errors import InvalidTask, brief, unknown_name
from mse_rl.plugins import in_short, is_path, load_object, require_callable

SOURCES: dict[str, Source] = {
    "breast_cancer": breast_cancer,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "csv:PATH": csv_file,
    "digit_sums": digit_sums,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "folder:PATH": folder,
    "hastie": hastie,
    "kmnist": kmnist,
    "mnist": mnist,
    "npz:PATH": npz,
    "svhn": svhn,
    "teacher": teacher,
    "usps": usps,
    "wine": wine,
}
"""By how the user writes them: a source whose key has a colon takes an argument, the others none."""


def find_source(name: str) -> tuple[Source, str]:
    """Return the source of a task's name, and its argument: what follows the first colon.

    Raises:
        InvalidTask: there is no such source, its argument is missing, or it takes none.
    """
    word, _, argument = name.partition(":")
    spelling = _spelling()
    if word not in spelling:
        raise InvalidTask(f"{unknown_name('task', word, SOURCES)}, or my_package.module:thing")
    if bool(argument) != (":" in spelling[word]):
        raise InvalidTask(f"expected a task like {spelling[word]!r}, got {brief(name)!r}")
    return SOURCES[spelling[word]], argument


def is_own(name: str) -> bool:
    """Return whether a task's name is the import path of a user's own; a source of that word goes first."""
    return name.partition(":")[0] not in _spelling() and is_path(name)


def _spelling() -> dict[str, str]:
    """Return the keys by their first word."""
    return {key.partition(":")[0]: key for key in SOURCES}


_LOGGER = logging.getLogger(__name__)


def load_task(name: str, config: TaskConfig, *, log: Callable[[str], None] = _LOGGER.info) -> Task:
    """Load a dataset, split it, and encode and normalise it by what its training split teaches.

    Args:
        name: a key of ``SOURCES``, with what its colon asks for: ``"mnist"``, ``"npz:wine.npz"``; or the
            import path of a task or of a function that makes one, ``"my_package.module:thing"``.
        config: how the dataset is found and prepared.
        log: gets one line for each thing that the user might not expect.

    Returns:
        The task; the same name, data and config give the same tensors in the same order.

    Raises:
        InvalidTask: the dataset is unknown, missing, broken or too small.
        InvalidConfig: an import path leads nowhere.
    """
    if is_own(name):
        return own_task(load_object(name, "task"), name, config)
    source, argument = find_source(name)
    try:
        raw = source(argument, config)
        return Task(name, *prepare(raw, config, lambda line: log(f"{name}: {line}")))
    except InvalidTask as error:
        raise InvalidTask(f"{brief(name)}: {error}") from error


def own_task(found: Any, name: str, config: TaskConfig) -> Task:
    """Return a user's task, under a name.

    Args:
        found: a ``Task``, or a function of a ``TaskConfig`` that returns one.
        name: as given by the user.
        config: for the function.

    Raises:
        InvalidConfig: it is no task, and cannot be called so.
        InvalidTask: it returns something else.
    """
    if not isinstance(found, Task):
        require_callable(found, ("config",), name, "task")
        found = found(config)
    if not isinstance(found, Task):
        raise InvalidTask(
            f"expected {name} to be a Task, or a function of a TaskConfig that returns one, "
            f"got {in_short(found)}: see Task.from_arrays"
        )
    return replace(found, name=name)


Tell = Callable[[str], None]
"""Gets one line for each thing that happens."""


def silent(line: str) -> None:
    """Ignore a line."""


def load_tasks(names: Sequence[str], config: TaskConfig, tell: Tell) -> tuple[Task, ...]:
    """Load datasets.

    Args:
        names: of the datasets.
        config: which samples, and how they are read.
        tell: gets a line for each thing that a user should know about them.

    Raises:
        InvalidTask: if one is unknown, missing or broken.
    """
    return tuple(load_task(name, config, log=lambda line: tell(f"note: {line}")) for name in names)
