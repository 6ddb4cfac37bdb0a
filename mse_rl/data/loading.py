"""A task by its name."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mse_rl.config import TaskConfig
from mse_rl.data.preparing import prepare
from mse_rl.data.sources import find_source, is_own
from mse_rl.data.task import Task
from mse_rl.errors import InvalidTask, brief
from mse_rl.plugins import in_short, load_object, require_callable

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
