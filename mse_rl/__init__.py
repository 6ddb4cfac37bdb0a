"""Neural networks that grow while they train, and a controller, learned by PPO, that decides how."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mse_rl.api import apply
    from mse_rl.apply_config import ApplyConfig
    from mse_rl.architecture import Architecture, Link, Position
    from mse_rl.budget import BudgetConfig
    from mse_rl.classifier import GrowingClassifier
    from mse_rl.config import (
        ExpansionConfig,
        GrowthConfig,
        OptimizerConfig,
        PPOConfig,
        TaskConfig,
        TrainConfig,
    )
    from mse_rl.data import Task, load_task
    from mse_rl.errors import MseRlError
    from mse_rl.growth import GrowthProcess
    from mse_rl.reward import RewardConfig
    from mse_rl.runs.child_files import load_child
    from mse_rl.runs.grown import Grown, load
    from mse_rl.runs.policy_bundle import load_policy
    from mse_rl.search_space import SearchSpace

_HOMES = {
    "apply": "mse_rl.api",
    "ApplyConfig": "mse_rl.apply_config",
    "Architecture": "mse_rl.architecture",
    "Link": "mse_rl.architecture",
    "Position": "mse_rl.architecture",
    "BudgetConfig": "mse_rl.budget",
    "GrowingClassifier": "mse_rl.classifier",
    "ExpansionConfig": "mse_rl.config",
    "GrowthConfig": "mse_rl.config",
    "OptimizerConfig": "mse_rl.config",
    "PPOConfig": "mse_rl.config",
    "TaskConfig": "mse_rl.config",
    "TrainConfig": "mse_rl.config",
    "Task": "mse_rl.data",
    "load_task": "mse_rl.data",
    "MseRlError": "mse_rl.errors",
    "GrowthProcess": "mse_rl.growth",
    "RewardConfig": "mse_rl.reward",
    "load_child": "mse_rl.runs.child_files",
    "Grown": "mse_rl.runs.grown",
    "load": "mse_rl.runs.grown",
    "load_policy": "mse_rl.runs.policy_bundle",
    "SearchSpace": "mse_rl.search_space",
}
"""Where each public name lives. They load at first use: torch takes seconds, ``--help`` must not."""

__all__ = [  # noqa: RUF022 - in the order of the houses above
    "apply",
    "ApplyConfig",
    "Architecture",
    "Link",
    "Position",
    "BudgetConfig",
    "GrowingClassifier",
    "ExpansionConfig",
    "GrowthConfig",
    "OptimizerConfig",
    "PPOConfig",
    "TaskConfig",
    "TrainConfig",
    "Task",
    "load_task",
    "MseRlError",
    "GrowthProcess",
    "RewardConfig",
    "load_child",
    "Grown",
    "load",
    "load_policy",
    "SearchSpace",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
