"""Skill, and its trade-offs against cost. Pure functions; no torch here.

Every reward is a difference of potentials, r = Φ' - Φ (Ng, Harada and Russell, 1999), so that an
episode's return is what the finished child is worth less what the first one was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite, log2
from numbers import Real
from typing import Any

from mse_rl.errors import InvalidConfig, fit_types, unknown_name
from mse_rl.plugins import in_short, is_path, load_object, path_of, require_callable


@dataclass(frozen=True)
class RewardInputs:
    """What a potential is computed from.

    Args:
        skill: 0 at chance, 1 at perfect.
        cost: of the child, in whatever measure is priced: FLOPs of a forward pass of one sample, parameters,
            or milliseconds of a forward pass.
        cost_start: the same, of the child that the episode began with.
        cost_budget: the same, its maximum.
        training_share: FLOPs spent on training so far, over those of a child that fills the budget
            for the whole schedule.
    """

    skill: float
    cost: float
    cost_start: float
    cost_budget: float
    training_share: float


@dataclass(frozen=True)
class RewardConfig:
    """How skill is weighed against cost."""

    reward: str = "potential"
    """potential, mnas or tunas, or a reward of your own, my_package.module:thing (docs/extending.md)."""
    cost_weight: float = 0.002
    """λ of potential: skill that one doubling of the cost must bring."""
    training_weight: float = 0.01
    """μ of potential: skill that filling the budget from the first slice on must bring; the same for all
    where the schedule is a number of training FLOPs."""
    mnas_exponent: float = -0.07
    """w of mnas."""
    tunas_weight: float = -0.07
    """β of tunas."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reward", path_of(self.reward, "reward"))
        fit_types(self)
        reward_of(self.reward)  # so that it complains now
        if not (0 <= self.cost_weight < inf and 0 <= self.training_weight < inf):
            raise InvalidConfig(
                "`cost_weight` and `training_weight` must be numbers that are not negative, "
                f"got {self.cost_weight} and {self.training_weight}"
            )
        if not (-inf < self.mnas_exponent <= 0 and -inf < self.tunas_weight <= 0):
            raise InvalidConfig(
                "`mnas_exponent` and `tunas_weight` must be numbers that are not positive, "
                f"got {self.mnas_exponent} and {self.tunas_weight}"
            )


def skill(correct: float, classes: int) -> float:
    """Rescale accuracy or macro-F1: 0 at chance (1/K), 1 at perfect."""
    chance = 1 / classes
    return (correct - chance) / (1 - chance)


def potential(worth: RewardInputs, config: RewardConfig) -> dict[str, float]:
    """Φ = skill - λ·log2(cost / cost_start) - μ·(training FLOPs / those of a full child)."""
    return {
        "skill": worth.skill,
        "cost": -config.cost_weight * log2(worth.cost / worth.cost_start),
        "training_flops": -config.training_weight * worth.training_share,
    }


def mnas(worth: RewardInputs, config: RewardConfig) -> dict[str, float]:
    """Φ = skill·(cost / cost_budget)^w (MnasNet, https://arxiv.org/abs/1807.11626)."""
    return {"skill": worth.skill * (worth.cost / worth.cost_budget) ** config.mnas_exponent}


def tunas(worth: RewardInputs, config: RewardConfig) -> dict[str, float]:
    """Φ = skill + β·|cost / cost_budget - 1| (TuNAS, https://arxiv.org/abs/2008.06120)."""
    return {
        "skill": worth.skill,
        "cost": config.tunas_weight * abs(worth.cost / worth.cost_budget - 1),
    }


Reward = Callable[[RewardInputs, RewardConfig], dict[str, float]]
"""Gives the terms of Φ; Φ is their sum."""
REWARDS: dict[str, Reward] = {"potential": potential, "mnas": mnas, "tunas": tunas}


@lru_cache
def reward_of(name: str) -> Reward:
    """Return the reward of a name or import path; a class is made an instance first, which is called.

    Raises:
        InvalidConfig: if there is none, or it cannot be called.
    """
    if name in REWARDS:
        return REWARDS[name]
    if not is_path(name):
        raise InvalidConfig(f"{unknown_name('reward', name, REWARDS)}, or my_package.module:thing")
    found = load_object(name, "reward")
    if isinstance(found, type):
        require_callable(found, (), name, "reward")
        found = found()
    require_callable(found, ("worth", "config"), name, "reward")
    return lambda worth, config: _checked(found(worth, config), name)


def terms(worth: RewardInputs, config: RewardConfig) -> dict[str, float]:
    """Return the terms of the configured potential; their sum Φ is what a child is worth: its utility.

    Raises:
        InvalidConfig: if a reward of the user's own gives something else.
    """
    return reward_of(config.reward)(worth, config)


def _checked(parts: Any, name: str) -> dict[str, float]:
    """Return the terms of a user's reward as plain numbers."""
    if not isinstance(parts, dict) or not all(
        isinstance(key, str) and isinstance(term, Real) and isfinite(term) for key, term in parts.items()
    ):
        raise InvalidConfig(
            f"expected reward {name} to return its terms as a dict of finite numbers by name, as "
            f"{{'skill': 0.9}}, got {in_short(parts)}"
        )
    return {key: float(term) for key, term in parts.items()}
