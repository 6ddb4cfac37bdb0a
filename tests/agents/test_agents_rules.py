from dataclasses import replace

import numpy as np
import pytest
import torch

from mse_rl.agents.controller import Turn
from mse_rl.agents.learned import Learned
from mse_rl.agents.rollout import run_episode
from mse_rl.agents.rules import RULES, Threshold, make_rule
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidController

CONTEXT = Context(task=0, seed=3, budget_multiple=6.0)


@pytest.fixture
def long(tiny, task):
    """Return an environment of 30 slices of one step."""
    growth = replace(tiny.growth, slices=30, slice_steps=1)
    return ExpansionEnv(replace(tiny, growth=growth), tasks=(task,))


def play(env, controller, context=CONTEXT, seed=0):
    return run_episode(env, controller, context, rng=np.random.default_rng(seed))


def names(episode):
    return [info["transformation"] for info in episode.infos]


def test_wait_waits(long):
    episode = play(long, make_rule("wait"))
    assert episode.actions == [0] * 30
    assert episode.final["flops"] == episode.start["flops"]


def test_threshold_deepens_below_it_as_long_as_that_is_legal_and_then_waits(long):
    episode = play(long, Threshold(accuracy=1.1))
    grown = names(episode).index("wait")
    assert names(episode) == ["deepen"] * grown + ["wait"] * (30 - grown)
    assert grown >= 2
    assert "deepen" not in dict(long.process.choices())


def test_threshold_spreads_depth_evenly(tiny, task):
    env = ExpansionEnv(replace(tiny, growth=replace(tiny.growth, slices=4, slice_steps=1)), tasks=(task,))
    play(env, Threshold(accuracy=1.1), replace(CONTEXT, budget_multiple=100.0))
    assert [len(stage.blocks) for stage in env.process.state.architecture.stages] == [3, 3]


def test_threshold_waits_above_it(long):
    assert set(names(play(long, Threshold(accuracy=0.0)))) == {"wait"}


@pytest.mark.parametrize("margin", [-1e-6, 1e-6])
def test_threshold_looks_at_validation_accuracy(long, margin):
    observation, _ = long.reset(options={"context": CONTEXT})
    accuracy = long.process.state.validation.accuracy + margin
    action = Threshold(accuracy).decide(
        Turn(observation, long.action_masks(), long, np.random.default_rng(0))
    )
    assert (action == 0) == (margin < 0)


def test_widen_cycles_through_all_widenings_and_both_stages(long):
    episode = play(long, make_rule("widen"), replace(CONTEXT, budget_multiple=1000.0))
    cycle = names(episode)[:4]
    assert len(set(cycle)) == 4
    assert all(name.startswith("widen") for name in cycle)
    assert names(episode)[4:8] == cycle
    assert {info["target"].stage for info in episode.infos[:8]} == {0, 1}


def test_widen_fills_the_budget_and_then_waits(long):
    episode = play(long, make_rule("widen"))
    assert names(episode)[-1] == "wait"
    assert not any(name.startswith("widen") for name, _ in long.process.choices())
    assert episode.final["flops"] > 0.7 * episode.final["flops_budget"]


def test_random_draws_only_what_is_legal_and_all_of_it(long):
    observation, _ = long.reset(options={"context": CONTEXT})
    mask, rng = long.action_masks(), np.random.default_rng(0)
    drawn = [make_rule("random").decide(Turn(observation, mask, long, rng)) for _ in range(400)]
    assert set(drawn) == set(np.flatnonzero(mask))
    assert not any(info["illegal"] for info in play(long, make_rule("random")).infos)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_a_function_of_its_arguments(long, name):
    rule = make_rule(name)
    assert play(long, rule).actions == play(long, rule).actions == play(long, make_rule(name)).actions


def test_an_unknown_rule_is_refused_with_a_near_one():
    with pytest.raises(InvalidController, match="'threshold'"):
        make_rule("treshold")


def fixed(logits):
    """Return a network that gives these logits whatever it sees."""
    return lambda globals_, blocks: torch.tensor([logits])


OBSERVATION = {"globals": np.zeros(1, np.float32), "blocks": np.zeros((1, 1), np.float32)}


def test_a_learned_policy_takes_its_best_legal_action():
    controller = Learned(fixed([0.0, 3.0, 1.0, 2.0]))
    for mask, best in (([1, 1, 1, 1], 1), ([1, 0, 1, 1], 3), ([1, 0, 0, 0], 0)):
        rng = np.random.default_rng(0)
        assert controller.decide(Turn(OBSERVATION, np.array(mask, bool), None, rng)) == best


def test_a_learned_policy_that_draws_follows_its_probabilities():
    controller, rng = Learned(fixed([0.0, 5.0, 1.0, 2.0]), draws=True), np.random.default_rng(0)
    mask = np.array([1, 0, 1, 1], bool)
    drawn = [controller.decide(Turn(OBSERVATION, mask, None, rng)) for _ in range(4000)]
    expected = np.exp([0.0, -np.inf, 1.0, 2.0])
    found = np.bincount(drawn, minlength=4) / 4000
    assert np.abs(found - expected / expected.sum()).max() < 0.03
    assert found[1] == 0
