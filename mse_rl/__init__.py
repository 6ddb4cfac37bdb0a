"""Neural networks that grow while they train, and a controller, learned by PPO, that decides how."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mse_rl.agents.controller import Controller, DecisionPoint, Episode
    from mse_rl.api import apply, compare, resume, train
    from mse_rl.config.apply import ApplyConfig
    from mse_rl.config.training import (
        ExpansionConfig,
        GrowthConfig,
        OptimizerConfig,
        PPOConfig,
        TaskConfig,
        TrainConfig,
    )
    from mse_rl.costs.budget import BudgetConfig
    from mse_rl.costs.reward import RewardConfig
    from mse_rl.data import Task, load_task
    from mse_rl.envs.expansion import Context, ExpansionEnv
    from mse_rl.errors import MseRlError
    from mse_rl.estimator import GrowingClassifier
    from mse_rl.growth.process import GrowthProcess
    from mse_rl.runs.comparison import Comparison
    from mse_rl.runs.grown import Grown, load, load_child
    from mse_rl.runs.policy import Policy, load_policy
    from mse_rl.runs.train import TrainResult
    from mse_rl.spec.architecture import Architecture, Block, Inputs, Link, Position, Stage
    from mse_rl.spec.search_space import SearchSpace
    from mse_rl.transformations import TRANSFORMATIONS, Transformation

_HOMES = {
    "Controller": "mse_rl.agents.controller",
    "DecisionPoint": "mse_rl.agents.controller",
    "Episode": "mse_rl.agents.controller",
    "apply": "mse_rl.api",
    "compare": "mse_rl.api",
    "resume": "mse_rl.api",
    "train": "mse_rl.api",
    "ApplyConfig": "mse_rl.config.apply",
    "Architecture": "mse_rl.spec.architecture",
    "Block": "mse_rl.spec.architecture",
    "Inputs": "mse_rl.spec.architecture",
    "Link": "mse_rl.spec.architecture",
    "Position": "mse_rl.spec.architecture",
    "Stage": "mse_rl.spec.architecture",
    "BudgetConfig": "mse_rl.costs.budget",
    "GrowingClassifier": "mse_rl.estimator",
    "ExpansionConfig": "mse_rl.config.training",
    "GrowthConfig": "mse_rl.config.training",
    "OptimizerConfig": "mse_rl.config.training",
    "PPOConfig": "mse_rl.config.training",
    "TaskConfig": "mse_rl.config.training",
    "TrainConfig": "mse_rl.config.training",
    "Task": "mse_rl.data",
    "load_task": "mse_rl.data",
    "Context": "mse_rl.envs.expansion",
    "ExpansionEnv": "mse_rl.envs.expansion",
    "MseRlError": "mse_rl.errors",
    "GrowthProcess": "mse_rl.growth.process",
    "RewardConfig": "mse_rl.costs.reward",
    "load_child": "mse_rl.runs.grown",
    "Comparison": "mse_rl.runs.comparison",
    "Grown": "mse_rl.runs.grown",
    "load": "mse_rl.runs.grown",
    "Policy": "mse_rl.runs.policy",
    "load_policy": "mse_rl.runs.policy",
    "TrainResult": "mse_rl.runs.train",
    "SearchSpace": "mse_rl.spec.search_space",
    "TRANSFORMATIONS": "mse_rl.transformations",
    "Transformation": "mse_rl.transformations",
}
"""Where each public name lives. They load at first use: torch takes seconds, ``--help`` must not."""

__all__ = [  # noqa: RUF022 - in the order of the houses above
    "Controller",
    "DecisionPoint",
    "Episode",
    "apply",
    "compare",
    "resume",
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
