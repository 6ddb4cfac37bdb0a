import dataclasses

import pytest

from mse_rl.budget import BudgetConfig
from mse_rl.config import (
    ApplyConfig,
    ExpansionConfig,
    GrowthConfig,
    OptimizerConfig,
    PPOConfig,
    TaskConfig,
    TrainConfig,
)
from mse_rl.errors import InvalidConfig
from mse_rl.reward import RewardConfig


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        (TaskConfig, {"resolution": 3}),
        (TaskConfig, {"max_train": 0}),
        (TaskConfig, {"validation_fraction": 0.0}),
        (TaskConfig, {"validation_fraction": 1.0}),
        (OptimizerConfig, {"learning_rate": 0.0}),
        (OptimizerConfig, {"learning_rate": float("nan")}),
        (OptimizerConfig, {"learning_rate_floor": 1.1}),
        (OptimizerConfig, {"weight_decay": -1e-4}),
        (OptimizerConfig, {"weight_decay": float("nan")}),
        (GrowthConfig, {"slices": 0}),
        (GrowthConfig, {"slice_steps": 0}),
        (GrowthConfig, {"batch_size": 1}),  # BatchNorm has no spread over one sample
        (GrowthConfig, {"memory_budget": 0}),
        (GrowthConfig, {"target_skill": 1.1}),
        (GrowthConfig, {"skill_tolerance": -0.1}),
        (GrowthConfig, {"time_limit_seconds": 0.0}),
        (BudgetConfig, {"flops_budget": 0}),
        (BudgetConfig, {"params_budget": 0}),
        (BudgetConfig, {"latency_budget_ms": 0.0}),
        (BudgetConfig, {"latency_budget_ms": float("nan")}),
        (BudgetConfig, {"latency_batch": 0}),
        (BudgetConfig, {"cost": "flop"}),
        (BudgetConfig, {"budget_low": 0.5}),
        (BudgetConfig, {"budget_low": 4.0, "budget_high": 2.0}),
        (ExpansionConfig, {"task": ()}),
        (ExpansionConfig, {"cache_mb": -1}),
        (PPOConfig, {"groups": 0}),
        (PPOConfig, {"rollouts": 1}),
        (PPOConfig, {"epochs": 0}),
        (PPOConfig, {"clip_range": 0.0}),
        (PPOConfig, {"policy_learning_rate": float("nan")}),
        (TrainConfig, {"episodes": 0}),
        (TrainConfig, {"workers": 0}),
        (TrainConfig, {"seed": -1}),
        (TrainConfig, {"seed": 2**32}),  # beyond NumPy's bound, which Stable-Baselines3 shares
    ],
    ids=str,
)
def test_a_setting_that_cannot_be_is_refused_when_it_is_made(part, settings):
    with pytest.raises(InvalidConfig):
        part(**settings)


def test_a_run_is_hashable_and_frozen():
    config = TrainConfig()
    assert {config: 1}[TrainConfig()] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 3


def test_derived_numbers():
    growth = GrowthConfig(slices=3, slice_steps=5, batch_size=7)
    assert (growth.total_steps, growth.total_samples) == (15, 105)
    assert OptimizerConfig("sgd").peak_learning_rate == 0.1
    assert OptimizerConfig("adamw", learning_rate=0.5).peak_learning_rate == 0.5
    assert [OptimizerConfig().of(f).optimizer for f in ("cnn", "rnn")] == ["sgd", "adamw"]
    assert OptimizerConfig("sgd").of("rnn").optimizer == "sgd"
    ppo = PPOConfig(groups=2, rollouts=3)
    assert ppo.episodes_per_update == 6
    assert [TrainConfig(ppo=ppo, episodes=n).updates for n in (1, 6, 7)] == [1, 1, 2]


def test_apply_trains_by_passes_but_never_for_a_few_steps_only():
    config = ApplyConfig("wait", "digits", epochs=5, batch_size=64)
    small, large = (config.expansion(n, slices=10, reward=RewardConfig()).growth for n in (1_000, 64_000))
    assert (small.total_steps, large.total_steps) == (500, 5_000)
