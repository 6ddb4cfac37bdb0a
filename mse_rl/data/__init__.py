"""Tasks: datasets by name, prepared as train, validation and test tensors that stay in memory."""

from mse_rl.data.preparing import Augmentation, augment
from mse_rl.data.sources import SOURCES, load_task
from mse_rl.data.split import JoinedSplit, Split
from mse_rl.data.task import Task

__all__ = ["SOURCES", "Augmentation", "JoinedSplit", "Split", "Task", "augment", "load_task"]
