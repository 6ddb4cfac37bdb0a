"""A task by its name."""

import logging
from collections.abc import Callable

from mse_rl.config import TaskConfig
from mse_rl.data.preparing import prepare
from mse_rl.data.sources import find_source
from mse_rl.data.task import Task
from mse_rl.errors import InvalidTask, brief

_LOGGER = logging.getLogger(__name__)


def load_task(name: str, config: TaskConfig, *, log: Callable[[str], None] = _LOGGER.info) -> Task:
    """Load a dataset, split it, and encode and normalise it by what its training split teaches.

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
        raw = source(argument, config)
        return Task(name, *prepare(raw, config, lambda line: log(f"{name}: {line}")))
    except InvalidTask as error:
        raise InvalidTask(f"{brief(name)}: {error}") from error
