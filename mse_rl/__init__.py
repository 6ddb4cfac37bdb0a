"""Neural networks that grow while they train, and a controller, learned by PPO, that decides how."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mse_rl.agents.controller import Controller, DecisionPoint, Episode
    from mse_rl.api import apply, compare, resume, train
    from mse_rl.config.commands import ApplyConfig, PPOConfig, TrainConfig
    from mse_rl.config.training import ExpansionConfig, GrowthConfig, OptimizerConfig, TaskConfig
    from mse_rl.costs.measures import BudgetConfig
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
    from mse_rl.spec import SearchSpace
    from mse_rl.spec.architecture import Architecture, Block, Inputs, Link, Position, Stage
    from mse_rl.transformations import TRANSFORMATIONS, Transformation

_PUBLIC = {
    "agents.controller": "Controller DecisionPoint Episode",
    "api": "apply compare resume train",
    "config.commands": "ApplyConfig PPOConfig TrainConfig",
    "config.training": "ExpansionConfig GrowthConfig OptimizerConfig TaskConfig",
    "costs.measures": "BudgetConfig",
    "costs.reward": "RewardConfig",
    "data": "Task load_task",
    "envs.expansion": "Context ExpansionEnv",
    "errors": "MseRlError",
    "estimator": "GrowingClassifier",
    "growth.process": "GrowthProcess",
    "runs.comparison": "Comparison",
    "runs.grown": "load_child Grown load",
    "runs.policy": "Policy load_policy",
    "runs.train": "TrainResult",
    "spec": "SearchSpace",
    "spec.architecture": "Architecture Block Inputs Link Position Stage",
    "transformations": "TRANSFORMATIONS Transformation",
}
"""The public names of each module. They load at first use: torch takes seconds, ``--help`` must not."""
_HOMES = {name: f"mse_rl.{home}" for home, names in _PUBLIC.items() for name in names.split()}

__all__ = [
    "TRANSFORMATIONS",
    "ApplyConfig",
    "Architecture",
    "Block",
    "BudgetConfig",
    "Comparison",
    "Context",
    "Controller",
    "DecisionPoint",
    "Episode",
    "ExpansionConfig",
    "ExpansionEnv",
    "GrowingClassifier",
    "Grown",
    "GrowthConfig",
    "GrowthProcess",
    "Inputs",
    "Link",
    "MseRlError",
    "OptimizerConfig",
    "PPOConfig",
    "Policy",
    "Position",
    "RewardConfig",
    "SearchSpace",
    "Stage",
    "Task",
    "TaskConfig",
    "TrainConfig",
    "TrainResult",
    "Transformation",
    "apply",
    "compare",
    "load",
    "load_child",
    "load_policy",
    "load_task",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
