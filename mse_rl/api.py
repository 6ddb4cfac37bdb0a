"""What the commands do, from Python."""

from collections.abc import Callable
from typing import Any

import torch

from mse_rl.apply_config import DEFAULT_CONTROLLER, ApplyConfig
from mse_rl.data import Task, load_task
from mse_rl.errors import InvalidConfig, InvalidTask
from mse_rl.runs.growing import grow
from mse_rl.runs.grown import Grown, grown_of


def _silent(line: str) -> None:
    """Let a line go unheard."""


def apply(
    task: Task | str,
    controller: str = DEFAULT_CONTROLLER,
    *,
    tell: Callable[[str], None] = _silent,
    **settings: Any,
) -> Grown:
    """Grow a network on a dataset, as ``mse-rl apply`` does.

    Args:
        task: the dataset, or its name.
        controller: a rule, a policy that comes along (``small``), or the folder of a run or policy.
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
    if not isinstance(task, str | Task):
        raise InvalidTask(f"expected a task or its name, got {type(task).__name__}: see Task.from_arrays")
    idle = {"out"} if isinstance(task, str) else {"out", "data"}
    if given := sorted(idle & settings.keys()):
        raise InvalidConfig(
            f"{given[0]} does nothing here: leave it out, and use Grown.save or the task's own"
        )
    name = task if isinstance(task, str) else task.name
    config = ApplyConfig(task=name, controller=controller, **settings)
    threads = torch.get_num_threads()
    try:
        growth = grow(config, lambda: load_task(name, config.data) if isinstance(task, str) else task, tell)
    finally:
        torch.set_num_threads(threads)
    return grown_of(growth.process.child, growth.record)
