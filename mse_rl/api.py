"""What the commands do, from Python."""

from collections.abc import Callable
from typing import Any

import torch

from mse_rl.agents.controller import Controller, own_controller
from mse_rl.apply_config import DEFAULT_CONTROLLER, ApplyConfig
from mse_rl.config import TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.data.loading import own_task
from mse_rl.errors import InvalidConfig, InvalidTask
from mse_rl.plugins import label
from mse_rl.runs.growing import grow
from mse_rl.runs.grown import Grown, grown_of


def _silent(line: str) -> None:
    """Let a line go unheard."""


def apply(
    task: Task | str | Callable[[TaskConfig], Task],
    controller: str | Controller | Callable[[], Controller] = DEFAULT_CONTROLLER,
    *,
    tell: Callable[[str], None] = _silent,
    **settings: Any,
) -> Grown:
    """Grow a network on a dataset, as ``mse-rl apply`` does.

    Args:
        task: the dataset, its name, or a function that makes it.
        controller: a rule, the folder of a run or policy, the import path of a controller, an object with
            ``decide``, or a class or function that makes one.
        tell: gets one line for each thing that happens.
        **settings: fields of ``ApplyConfig``: ``training_flops``, ``seed``, ``family``, ``budget``, ...

    Returns:
        The network; it predicts from raw inputs.

    Raises:
        MseRlError: for anything that is wrong with task or settings, or if the child diverges.

    >>> import mse_rl
    >>> grown = mse_rl.apply("wine")
    >>> grown.predict([[13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.26, 1.3, 4.4, 1.05, 3.4, 1050]]).tolist()
    ['class_0']
    """
    if not isinstance(task, str | Task) and not callable(task):
        raise InvalidTask(f"expected a task or its name, got {type(task).__name__}: see Task.from_arrays")
    idle = {"out", "data"} if isinstance(task, Task) else {"out"}
    if given := sorted(idle & settings.keys()):
        raise InvalidConfig(
            f"{given[0]} does nothing here: leave it out, and use Grown.save or the task's own"
        )
    if isinstance(controller, str):
        decider, own = controller, None
    else:
        decider, own = label(controller), own_controller(controller, label(controller))
    name = task if isinstance(task, str) else task.name if isinstance(task, Task) else label(task)
    config = ApplyConfig(task=name, controller=decider, **settings)

    def load() -> Task:
        if isinstance(task, Task):
            return task
        return load_task(task, config.data) if isinstance(task, str) else own_task(task, name, config.data)

    threads = torch.get_num_threads()
    try:
        growth = grow(config, load, tell, controller=own)
    finally:
        torch.set_num_threads(threads)
    return grown_of(growth.process.child, growth.record)
