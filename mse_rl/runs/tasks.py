"""The datasets of a run, loaded with what a user should know about them."""

from collections.abc import Callable, Sequence

from mse_rl.config import TaskConfig
from mse_rl.data import Task, load_task

Tell = Callable[[str], None]
"""Gets one line for each thing that happens."""


def silent(line: str) -> None:
    """Do nothing with a line."""


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
