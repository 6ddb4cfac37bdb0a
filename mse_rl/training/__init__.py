"""The training of a child between decisions: slices, evaluation, snapshots."""

from mse_rl.training.evaluation import Evaluation, evaluate
from mse_rl.training.faults import ACCOUNTS, Fault, fault_of, require_finite
from mse_rl.training.live_child import LiveChild, Snapshot, capture, restore
from mse_rl.training.optimizer import learning_rate, make_optimizer
from mse_rl.training.slice import BatchOrder, SliceResult, train_slice_

__all__ = [
    "ACCOUNTS",
    "BatchOrder",
    "Evaluation",
    "Fault",
    "LiveChild",
    "SliceResult",
    "Snapshot",
    "capture",
    "evaluate",
    "fault_of",
    "learning_rate",
    "make_optimizer",
    "require_finite",
    "restore",
    "train_slice_",
]
