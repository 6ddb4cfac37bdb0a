"""The training of a child between decisions: slices, evaluation, snapshots, the trajectory cache."""

from mse_rl.training.cache import TrajectoryCache
from mse_rl.training.cache_folder import CacheFolder
from mse_rl.training.evaluation import Measurement, evaluate
from mse_rl.training.live_child import LiveChild
from mse_rl.training.optimizer import learning_rate, make_optimizer
from mse_rl.training.randomness import BatchOrder
from mse_rl.training.slice import SliceResult, train_slice_
from mse_rl.training.snapshot import Snapshot, capture, restore
from mse_rl.training.trajectory import Trajectory, digest, digest_of_child

__all__ = [
    "BatchOrder",
    "CacheFolder",
    "LiveChild",
    "Measurement",
    "SliceResult",
    "Snapshot",
    "Trajectory",
    "TrajectoryCache",
    "capture",
    "digest",
    "digest_of_child",
    "evaluate",
    "learning_rate",
    "make_optimizer",
    "restore",
    "train_slice_",
]
