"""Neural networks that grow while they train, and a controller, learned by PPO, that decides how."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mse_rl.agents.controller import Controller, Turn
    from mse_rl.agents.rollout import Episode
    from mse_rl.api import apply, compare, train
    from mse_rl.apply_config import ApplyConfig
    from mse_rl.architecture import Architecture, Block, Inputs, Link, Position, Stage
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
    from mse_rl.envs.expansion import Context, ExpansionEnv
    from mse_rl.errors import MseRlError
    from mse_rl.growth import GrowthProcess
    from mse_rl.reward import RewardConfig
    from mse_rl.runs.child_files import load_child
    from mse_rl.runs.comparison import Comparison
    from mse_rl.runs.grown import Grown, load
    from mse_rl.runs.policy_bundle import Policy, load_policy
    from mse_rl.runs.train import TrainResult
    from mse_rl.search_space import SearchSpace
    from mse_rl.transformations import TRANSFORMATIONS, Transformation

_HOMES = {
    "Controller": "mse_rl.agents.controller",
    "Turn": "mse_rl.agents.controller",
    "Episode": "mse_rl.agents.rollout",
    "apply": "mse_rl.api",
    "compare": "mse_rl.api",
    "train": "mse_rl.api",
    "ApplyConfig": "mse_rl.apply_config",
    "Architecture": "mse_rl.architecture",
    "Block": "mse_rl.architecture",
    "Inputs": "mse_rl.architecture",
    "Link": "mse_rl.architecture",
    "Position": "mse_rl.architecture",
    "Stage": "mse_rl.architecture",
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
    "Context": "mse_rl.envs.expansion",
    "ExpansionEnv": "mse_rl.envs.expansion",
    "MseRlError": "mse_rl.errors",
    "GrowthProcess": "mse_rl.growth",
    "RewardConfig": "mse_rl.reward",
    "load_child": "mse_rl.runs.child_files",
    "Comparison": "mse_rl.runs.comparison",
    "Grown": "mse_rl.runs.grown",
    "load": "mse_rl.runs.grown",
    "Policy": "mse_rl.runs.policy_bundle",
    "load_policy": "mse_rl.runs.policy_bundle",
    "TrainResult": "mse_rl.runs.train",
    "SearchSpace": "mse_rl.search_space",
    "TRANSFORMATIONS": "mse_rl.transformations",
    "Transformation": "mse_rl.transformations",
}
"""Where each public name lives. They load at first use: torch takes seconds, ``--help`` must not."""

__all__ = [  # noqa: RUF022 - in the order of the houses above
    "Controller",
    "Turn",
    "Episode",
    "apply",
    "compare",
    "train",
    "ApplyConfig",
    "Architecture",
    "Block",
    "Inputs",
    "Link",
    "Position",
    "Stage",
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
    "Context",
    "ExpansionEnv",
    "MseRlError",
    "GrowthProcess",
    "RewardConfig",
    "load_child",
    "Comparison",
    "Grown",
    "load",
    "Policy",
    "load_policy",
    "TrainResult",
    "SearchSpace",
    "TRANSFORMATIONS",
    "Transformation",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
