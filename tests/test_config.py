import dataclasses
from dataclasses import replace
from math import exp
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.config.commands import ApplyConfig, PPOConfig, PredictConfig, TrainConfig, workers_of
from mse_rl.config.training import (
    MOST_DECAY,
    WEIGHT_DECAY,
    ExpansionConfig,
    GrowthConfig,
    OptimizerConfig,
    TaskConfig,
)
from mse_rl.costs.compute_optimal import Schedule
from mse_rl.costs.measures import BudgetConfig
from mse_rl.costs.reward import RewardConfig
from mse_rl.errors import InvalidConfig
from mse_rl.spec import FAMILIES, SearchSpace


@pytest.mark.parametrize(
    ("part", "settings"),
    [
        (TaskConfig, {"resolution": 3}),
        (TaskConfig, {"max_train": 0}),
        (TaskConfig, {"validation_fraction": 0.0}),
        (TaskConfig, {"validation_fraction": 1.0}),
        (OptimizerConfig, {"learning_rate": 0.0}),
        (OptimizerConfig, {"learning_rate": float("nan")}),
        (OptimizerConfig, {"learning_rate_hold": 1.1}),
        (OptimizerConfig, {"learning_rate_hold": -0.1}),
        (OptimizerConfig, {"label_smoothing": 1.0}),
        (OptimizerConfig, {"label_smoothing": -0.1}),
        (OptimizerConfig, {"weight_decay": -1e-4}),
        (OptimizerConfig, {"weight_decay": float("nan")}),
        (GrowthConfig, {"slices": 0}),
        (GrowthConfig, {"training_flops": 0.0}),
        (GrowthConfig, {"training_flops": float("nan")}),
        (GrowthConfig, {"training_steps": 0}),
        (GrowthConfig, {"passes_low": 0.0}),
        (GrowthConfig, {"passes_low": 4.0, "passes_high": 2.0}),
        (GrowthConfig, {"passes_high": float("inf")}),
        (GrowthConfig, {"passes_high": float("nan")}),
        (GrowthConfig, {"decision_share": 0.0}),
        (GrowthConfig, {"decision_share": 1.1}),
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
        (TrainConfig, {"workers": "ray:"}),
        (TrainConfig, {"workers": "ray:0"}),
        (TrainConfig, {"workers": True}),
        (TrainConfig, {"worker_restarts": -1}),
        (TrainConfig, {"worker_timeout_seconds": 0.0}),
        (GrowthConfig, {"slice_limit_seconds": 0.0}),
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


def test_workers_are_processes_or_on_ray():
    assert workers_of(TrainConfig().workers) == workers_of("2") == (False, 2)
    assert workers_of("ray") == (True, None)
    assert workers_of("ray:8") == (True, 8)


def test_derived_numbers():
    assert OptimizerConfig("sgd").peak_learning_rate == 0.1
    assert OptimizerConfig("adamw").peak_learning_rate == 0.01
    assert OptimizerConfig("muon").peak_learning_rate == 0.1
    assert OptimizerConfig("adamw", learning_rate=0.5).peak_learning_rate == 0.5
    ppo = PPOConfig(groups=2, rollouts=3)
    assert ppo.episodes_per_update == 6
    assert [TrainConfig(ppo=ppo, episodes=n).updates for n in (1, 6, 7)] == [1, 1, 2]


@pytest.mark.parametrize(("name", "family"), FAMILIES.items())
def test_auto_is_what_measured_best_for_the_family_and_what_is_named_stays(name, family):
    auto = OptimizerConfig().of(name)
    assert (auto.optimizer, auto.peak_learning_rate) == (family.optimizer, family.learning_rate)
    assert auto.of("mlp") == auto
    own = OptimizerConfig(learning_rate=0.3).of(name)
    assert (own.optimizer, own.peak_learning_rate) == (family.optimizer, 0.3)
    for optimizer in ("sgd", "adamw", "muon"):
        named = OptimizerConfig(optimizer)
        assert named.of(name) == named


def test_a_schedule_has_training_flops_or_training_steps_but_not_both():
    with pytest.raises(InvalidConfig, match="`training_flops` or `training_steps`, got both: leave one out"):
        GrowthConfig(training_flops=1e9, training_steps=10)
    with pytest.raises(InvalidConfig, match="give training_flops or training_steps"):
        _ = GrowthConfig().schedule
    by_flops = GrowthConfig(training_flops=1e9, slices=3, batch_size=7, decision_share=0.5).schedule
    assert by_flops == Schedule(10**9, False, 3, 7, 0.5)
    by_steps = GrowthConfig(training_steps=10, slices=2, batch_size=4, decision_share=1.0).schedule
    assert by_steps == Schedule(10, True, 2, 4, 1.0)


def test_a_missing_length_is_passes_of_the_first_child_over_the_data_and_a_given_one_stays():
    config = GrowthConfig(slices=3, batch_size=8)
    drawn = config.completed(100, 50, 2.5)
    assert drawn == replace(config, training_flops=3.0 * 100 * 50 * 2.5)
    for known in (GrowthConfig(training_flops=1e9), GrowthConfig(training_steps=7)):
        assert known.completed(100, 50, 2.5) == known


@given(
    slices=st.integers(1, 200),
    share=st.integers(1, 100).map(lambda percent: percent / 100),
    batch_size=st.integers(2, 100),
    flops=st.integers(1, 10**9),
)
def test_a_length_that_is_drawn_pays_at_least_for_a_step_in_every_slice(slices, share, batch_size, flops):
    config = GrowthConfig(slices=slices, decision_share=share, batch_size=batch_size)
    drawn = config.completed(flops, samples=batch_size, passes=1e-6)
    assert drawn.schedule.most_flops(0, 0) >= flops
    assert drawn.schedule.total <= 3 * flops * batch_size * (slices / share + 2)


@pytest.mark.parametrize(
    "lengths",
    [
        {"training_flops": 1e9, "epochs": 2},
        {"training_flops": 1e9, "minutes": 2},
        {"minutes": 1, "epochs": 2},
        {"training_flops": 1e9, "minutes": 1, "epochs": 2},
    ],
    ids=str,
)
def test_the_length_of_training_is_given_once_in_apply(lengths):
    with pytest.raises(InvalidConfig, match="leave all but one out") as refused:
        ApplyConfig("wait", "digits", **lengths)
    said = str(refused.value)
    assert "\n" not in said
    got = said.partition("got ")[2].partition(":")[0]
    assert set(got.split(" and ")) == {f"`{name}`" for name in lengths}


@pytest.mark.parametrize("length", [{"epochs": 0}, {"minutes": -1.0}, {"epochs": float("inf")}], ids=str)
def test_a_length_of_training_that_cannot_be_is_refused(length):
    with pytest.raises(InvalidConfig, match=f"`{next(iter(length))}` must lie between"):
        ApplyConfig("wait", "digits", **length)


def test_what_apply_grows_by_is_what_it_was_told():
    config = ApplyConfig("wait", "digits", training_flops=1e9, batch_size=8, target_skill=0.5)
    growth = config.expansion(slices=7, reward=RewardConfig()).growth
    assert growth == GrowthConfig(training_flops=1e9, slices=7, batch_size=8, target_skill=0.5)
    config = ApplyConfig("wait", "digits", epochs=3, slices=5)
    growth = config.expansion(slices=7, reward=RewardConfig(), training_steps=90).growth
    assert growth == GrowthConfig(training_steps=90, slices=5, batch_size=64)


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        (GrowthConfig, {"training_flops": "x"}, "`training_flops` must be a number, got 'x'"),
        (GrowthConfig, {"slices": 2.5}, "`slices` must be a whole number, got 2.5"),
        (GrowthConfig, {"batch_size": 16.0}, "`batch_size` must be a whole number, got 16.0"),
        (GrowthConfig, {"slices": True}, "`slices` must be a whole number, got True"),
        (GrowthConfig, {"decision_share": True}, "`decision_share` must be a number, got True"),
        (GrowthConfig, {"new_units": "hee"}, "`new_units` must be one of he, gradmax, got 'hee'"),
        (GrowthConfig, {"family": np.eye(3)}, r"`family` must be a string, got array"),
        (BudgetConfig, {"flops_budget": "5"}, "`flops_budget` must be a whole number, got '5'"),
        (SearchSpace, {"max_width": "5"}, "`max_width` must be a whole number, got '5'"),
        (RewardConfig, {"cost_weight": "5"}, "`cost_weight` must be a number, got '5'"),
        (PPOConfig, {"groups": None}, "`groups` must be a whole number, got None"),
        (TrainConfig, {"seed": 1.5}, "`seed` must be a whole number, got 1.5"),
        (TrainConfig, {"env": "wine"}, "`env` must be of type ExpansionConfig, got 'wine'"),
        (TrainConfig, {"run_dir": 3}, "`run_dir` must be a path, got 3"),
        (ExpansionConfig, {"task": 5}, "expected a task that can be named"),
        (ApplyConfig, {"budget": 5}, "`budget` must be of type Budgets, got 5"),
        (ApplyConfig, {"optimizer": "adam"}, "`optimizer` must be of type OptimizerConfig, got 'adam'"),
        (ApplyConfig, {"init": 3}, "`init` must be a path, got 3"),
        (ApplyConfig, {"trust_policy": 1}, "`trust_policy` must be True or False, got 1"),
        (ApplyConfig, {"epochs": "2"}, "`epochs` must be a number, got '2'"),
        (PredictConfig, {"child": 3}, "`child` must be a path, got 3"),
    ],
    ids=str,
)
def test_a_setting_of_another_type_is_refused_in_one_line(part, settings, message):
    needed = {"task": "wine"} if part in (ApplyConfig, PredictConfig) else {}
    with pytest.raises(InvalidConfig, match=message) as refused:
        part(**needed | settings)
    assert "\n" not in str(refused.value)


def test_settings_that_mean_the_same_are_converted():
    assert TrainConfig(run_dir="runs/x") == TrainConfig(run_dir=Path("runs/x"))
    assert TaskConfig(data_dir="data") == TaskConfig(data_dir=Path("data"))
    assert PredictConfig("runs/x", "wine").child == Path("runs/x")
    assert ApplyConfig("wine", init="runs/x").init == Path("runs/x")
    assert ExpansionConfig(task="wine") == ExpansionConfig(task=["wine"]) == ExpansionConfig(task=("wine",))
    assert GrowthConfig(transformations="widen_inner_x2").transformations == ("widen_inner_x2",)
    numbers = TrainConfig(seed=np.int64(3), ppo=PPOConfig(clip_range=np.float32(0.5)))
    assert (type(numbers.seed), type(numbers.ppo.clip_range)) == (int, float)
    assert numbers == TrainConfig(seed=3, ppo=PPOConfig(clip_range=0.5))


def test_the_fewer_images_there_are_the_larger_is_the_decay():
    """It leaves 1/e of a weight after seven passes at the highest learning rate."""
    many, few, hardly = (OptimizerConfig().of("cnn", "image", steps) for steps in (700.0, 70.0, 1.0))
    for config, steps in ((many, 700), (few, 70)):
        assert (1 - config.peak_learning_rate * config.decay) ** (7 * steps) == pytest.approx(
            exp(-1), rel=0.01
        )
    assert hardly.decay == MOST_DECAY
    given = OptimizerConfig(weight_decay=0.01).of("cnn", "image", 70.0)
    assert given.decay == 0.01
    for others in (("cnn", "sequence"), ("mlp", "image")):
        assert OptimizerConfig().of(*others, 70.0).decay == WEIGHT_DECAY
    assert OptimizerConfig("muon").of("cnn", "image", 70.0).decay == WEIGHT_DECAY


def test_the_wider_a_child_over_images_is_the_lower_is_its_learning_rate():
    auto = OptimizerConfig().of("cnn", "image")
    widths = (1, 4, 8, 16, 32, 64, 1000)
    multiples = [auto.peak_at(width) / auto.peak_learning_rate for width in widths]
    assert multiples == pytest.approx([4, 4, 2, 1, 0.5, 0.25, 0.25])
    others = [
        OptimizerConfig().of("cnn", "tokens"),
        OptimizerConfig(learning_rate=0.1).of("cnn", "image"),
        OptimizerConfig("muon").of("cnn", "image"),
    ]
    assert {config.peak_at(width) for config in others for width in widths} == {0.1}
    assert OptimizerConfig("sgd", 0.3, learning_rate_width=10).peak_at(20) == 0.15
