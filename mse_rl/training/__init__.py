"""The training of a child between decisions: slices, evaluation, snapshots."""

from mse_rl.training.evaluation import Evaluation, evaluate
from mse_rl.training.live_child import LiveChild, Snapshot, capture, restore
from mse_rl.training.optimizer import learning_rate, make_optimizer
from mse_rl.training.slice import BatchOrder, SliceResult, train_slice_

__all__ = [
    "BatchOrder",
    "Evaluation",
    "LiveChild",
    "SliceResult",
    "Snapshot",
    "capture",
    "evaluate",
    "learning_rate",
    "make_optimizer",
    "restore",
    "train_slice_",
]
