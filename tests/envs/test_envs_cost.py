"""What is priced: in the reward, in what the controller sees, and in what it is told."""

from dataclasses import replace
from math import log2

import pytest
from support.timing import DepthMeter

from mse_rl.costs.measures import MEASURES, BudgetConfig
from mse_rl.costs.reward import RewardConfig
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.envs.observation import GLOBAL_FEATURES
from mse_rl.spec.architecture import ENTRY, Position

STEM = Position(0, ENTRY)
CONTEXT = Context(task=0, seed=7, budget_multiple=4.0, passes=1.0)


def begin(tiny, *, reward=None, **budget):
    """Return an environment, and the info at the beginning of its episode."""
    config = replace(tiny, budget=BudgetConfig(**budget), reward=reward or RewardConfig(cost_weight=0.1))
    env = ExpansionEnv(config, meter=DepthMeter(), render_mode="ansi")
    return env, env.reset(options={"context": CONTEXT})[1]


def deepen(env):
    """Deepen the child behind its stem."""
    return env.step(env.actions.encode("deepen_conv", STEM, env.process.state.architecture))


@pytest.mark.parametrize("measure", MEASURES)
def test_reward_and_observation_follow_what_is_priced(tiny, measure):
    env, start = begin(tiny, cost=measure)
    observation, reward, _, _, info = deepen(env)
    doublings = log2(info["cost"] / start["cost"])
    assert doublings > 0
    assert info["terms"]["cost"] == pytest.approx(-0.1 * doublings)
    assert reward == pytest.approx(info["utility"] - start["utility"])
    assert start["cost_budget"] == pytest.approx(4 * start["cost"])
    seen = dict(zip(GLOBAL_FEATURES, observation["globals"], strict=True))
    assert seen["growth"] == pytest.approx(doublings / 8)
    assert seen["budget_left"] == pytest.approx((2 - doublings) / 8)
    assert seen["cost_weight"] == pytest.approx(1)


@pytest.mark.parametrize("measure", MEASURES)
def test_mnas_and_tunas_price_it_over_its_budget(tiny, measure):
    for reward, worth in (
        (RewardConfig("mnas", mnas_exponent=-0.5), lambda skill, full: skill * full**-0.5),
        (RewardConfig("tunas", tunas_weight=-0.4), lambda skill, full: skill - 0.4 * abs(full - 1)),
    ):
        env, _ = begin(tiny, reward=reward, cost=measure)
        info = deepen(env)[-1]
        full = info["cost"] / info["cost_budget"]
        assert info["utility"] == pytest.approx(worth(info["skill"], full))


def test_info_tells_every_cost_and_every_budget_by_its_name(tiny):
    env, start = begin(tiny)
    assert start["cost_measure"] == "flops"
    assert (start["cost"], start["cost_budget"]) == (start["flops"], start["flops_budget"])
    assert start["params"] == sum(p.numel() for p in env.process.child.parameters())
    assert not {"params_budget", "latency_budget_ms", "latency_ms", "latency_spread_ms"} & start.keys()
    _, start = begin(tiny, cost="params", latency_budget_ms=5.0)
    assert start["cost"] == start["params"]
    assert start["params_budget"] == 4 * start["params"]
    assert start["latency_budget_ms"] == 5
    assert (start["latency_ms"], start["latency_spread_ms"]) == pytest.approx((2, 0.2))
    assert "flops_budget" not in start


def test_latency_masks_and_is_written_in_its_unit(tiny):
    """Entries and blocks take a millisecond each: two are there, a third fits, a fourth does not."""
    env, start = begin(tiny, cost="latency", latency_budget_ms=3.0)
    assert start["cost"] == 2
    info = deepen(env)[-1]
    assert info["latency_ms"] == 3
    assert "3.000 ms" in env.render()
    mask, encode = env.action_masks(), env.actions.encode
    assert not mask[encode("deepen_conv", STEM, env.process.state.architecture)]
    assert mask[encode("widen_inner_x2", Position(0, 0), env.process.state.architecture)]


def test_without_a_meter_latency_is_measured_where_children_are_trained(tiny):
    env = ExpansionEnv(replace(tiny, budget=BudgetConfig(cost="latency")))
    info = env.reset(options={"context": CONTEXT})[1]
    assert info["latency_ms"] == info["cost"] > 0
    assert info["latency_spread_ms"] >= 0
    assert info == env.reset(options={"context": CONTEXT})[1]  # measured once
