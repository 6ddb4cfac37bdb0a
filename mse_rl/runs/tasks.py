"""The datasets of a run, loaded with their notes shown."""

from rich.console import Console

from mse_rl.config import TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.runs.console import say


def load_tasks(names: tuple[str, ...], config: TaskConfig, console: Console) -> tuple[Task, ...]:
    """Load datasets; what a user should know about them is printed.

    Raises:
        InvalidTask: if one is unknown, missing or broken.
    """
    return tuple(load_task(name, config, log=lambda line: say(console, f"note: {line}")) for name in names)
