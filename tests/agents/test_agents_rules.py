from dataclasses import replace
from math import log2
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.grown import grown
from support.problems import FAMILIES, problem_for
from support.schedules import even

from mse_rl.agents.controller import DecisionPoint, run_episode
from mse_rl.agents.learned import Learned
from mse_rl.agents.rules import (
    FIRST_MOVES,
    GROWING_RULES,
    RULES,
    Balance,
    Pace,
    Threshold,
    is_rule,
    least_loss,
    make_rule,
)
from mse_rl.envs.actions import Layout
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidController
from mse_rl.spec.architecture import ENTRY, Position
from mse_rl.transformations import TRANSFORMATIONS

CONTEXT = Context(task=0, seed=3, budget_multiple=6.0, passes=1.0)
STEM, LATER = Position(0, ENTRY), Position(1, ENTRY)


@pytest.fixture
def long(tiny, task):
    """Return an environment of 30 slices of one step."""
    growth = replace(tiny.growth, **even(30, 1))
    return ExpansionEnv(replace(tiny, growth=growth), tasks=(task,))


def play(env, controller, context=CONTEXT, seed=0):
    return run_episode(env, controller, context, seeds=range(seed, seed + 100))


def names(episode):
    return [info["transformation"] for info in episode.infos]


def test_wait_waits(long):
    episode = play(long, make_rule("wait"))
    assert episode.actions == [0] * 30
    assert episode.final["flops"] == episode.start["flops"]


def test_threshold_deepens_below_it_as_long_as_that_is_legal_and_then_waits(long):
    episode = play(long, Threshold(accuracy=1.1))
    grown = names(episode).index("wait")
    assert names(episode) == ["deepen_conv"] * grown + ["wait"] * (30 - grown)
    assert grown >= 2
    assert "deepen_conv" not in dict(long.process.choices())


def test_threshold_spreads_depth_evenly(tiny, task):
    env = ExpansionEnv(replace(tiny, growth=replace(tiny.growth, **even(6, 1))), tasks=(task,))
    play(env, Threshold(accuracy=1.1), replace(CONTEXT, budget_multiple=100.0))
    assert [len(stage.blocks) for stage in env.process.state.architecture.stages] == [3, 3]


@pytest.mark.parametrize(
    ("family", "kinds"),
    [
        ("mlp", ["linear"] * 6),
        ("rnn", ["gru"] * 6),
        ("transformer", ["attention", "linear"] * 3),
    ],
)
def test_threshold_deepens_by_the_kinds_that_a_stage_has_in_turn(tiny, family, kinds):
    growth = replace(tiny.growth, family=family, **even(8, 1))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(problem_for(family),))
    episode = play(env, Threshold(accuracy=1.1), replace(CONTEXT, budget_multiple=100.0))
    assert [block.kind for _, block in env.process.state.architecture] == kinds
    assert names(episode)[-1] == "wait"  # there are no more than 6 rows


def test_threshold_takes_turns_between_conv_and_separable_where_there_are_both(long):
    long.reset(options={"context": replace(CONTEXT, budget_multiple=100.0)})
    for name, entry in (("deepen_conv", STEM), ("deepen_separable", Position(0, 0)), ("deepen_conv", LATER)):
        long.step(long.actions.encode(name, entry, long.process.state.architecture))
    for _ in range(3):
        name, target = Threshold(accuracy=1.1).choose(long.process, np.random.default_rng(0))
        long.step(long.actions.encode(name, target, long.process.state.architecture))
    stages = [[block.kind for block in stage.blocks] for stage in long.process.state.architecture.stages]
    assert stages == [["conv", "separable", "conv"], ["conv"] * 3]


def test_threshold_waits_where_what_it_would_do_is_not_in_the_vocabulary(tiny, task):
    growth = replace(tiny.growth, transformations=("widen_inner_x2", "deepen_separable"))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(task,))
    assert set(names(play(env, Threshold(accuracy=1.1)))) == {"wait"}


def test_threshold_waits_above_it(long):
    assert set(names(play(long, Threshold(accuracy=0.0)))) == {"wait"}


@pytest.mark.parametrize("margin", [-1e-6, 1e-6])
def test_threshold_looks_at_validation_accuracy(long, margin):
    observation, _ = long.reset(options={"context": CONTEXT})
    accuracy = long.process.state.validation.accuracy + margin
    action = Threshold(accuracy).decide(
        DecisionPoint(observation, long.action_masks(), long, np.random.default_rng(0))
    )
    assert (action == 0) == (margin < 0)


def test_widen_cycles_through_all_widenings_and_both_stages(long):
    episode = play(long, make_rule("widen"), replace(CONTEXT, budget_multiple=1000.0))
    assert {name.partition("_x")[0] for name in names(episode)[:8]} == {"widen_stream"}  # there are no blocks
    assert {info["target"] for info in episode.infos[:8]} == {STEM, LATER}


def test_widen_cycles_through_streams_and_units(tiny):
    growth = replace(tiny.growth, family="mlp", **even(8, 1))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(problem_for("mlp"),))
    found = names(play(env, make_rule("widen"), replace(CONTEXT, budget_multiple=1000.0)))
    cycle = found[:4]
    assert len(set(cycle)) == 4
    assert all(name.startswith("widen") for name in cycle)
    assert found[4:] == cycle


def test_widen_fills_the_budget_and_then_waits(long):
    episode = play(long, make_rule("widen"))
    assert names(episode)[-1] == "wait"
    assert not any(name.startswith("widen") for name, _ in long.process.choices())
    assert episode.final["flops"] > 0.7 * episode.final["flops_budget"]


def test_compress_waits_when_the_child_fits(long):
    episode = play(long, make_rule("compress"))
    assert episode.start["fits"]
    assert set(names(episode)) == {"wait"}


def test_compress_takes_first_what_loses_least_for_its_flops(tiny):
    """Of a block whose last map is zero nothing is lost, whatever of it goes."""
    donor = grown("mlp").child
    growth = replace(tiny.growth, family="mlp", **even(10, 1))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(problem_for("mlp"),), init=donor)
    env.reset(options={"context": replace(CONTEXT, budget_multiple=0.9)})
    idle = Position(0, 1)
    for parameter in env.process.child.block(idle).last.parameters():
        torch.nn.init.zeros_(parameter)
    name, target = least_loss(env.process)
    assert target == idle
    assert name.startswith(("narrow_inner", "remove_block"))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", RULES)
def test_every_rule_plays_every_family_by_what_is_legal(tiny, family, name):
    growth = replace(tiny.growth, family=family, **even(8, 1))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(problem_for(family),))
    episode = play(env, make_rule({"pace": "pace:0.5:0.4", "balance": "balance:1e6"}.get(name, name)))
    assert not any(info["illegal"] for info in episode.infos)
    assert all(mask[action] for mask, action in zip(episode.masks, episode.actions, strict=True))
    grows = {"threshold", "widen", "pace", "balance"} | ({"first_move"} if family in FIRST_MOVES else set())
    assert (episode.final["flops"] > episode.start["flops"]) == (name in grows) or name == "random"


def test_random_draws_all_that_keeps_what_was_learnt_and_nothing_else(long):
    observation, _ = long.reset(options={"context": CONTEXT})
    mask, rng = long.action_masks(), np.random.default_rng(0)
    drawn = {make_rule("random").decide(DecisionPoint(observation, mask, long, rng)) for _ in range(600)}
    found = {long.actions.decode(action, long.process.state.architecture) for action in drawn}
    assert found == {
        choice
        for choice in long.process.choices()
        if TRANSFORMATIONS[choice[0]].preserving and choice[0] != "stop"
    }
    assert not any(info["illegal"] for info in play(long, make_rule("random")).infos)


@pytest.mark.parametrize(("budget_share", "schedule_share"), [(0.5, 0.4), (1.0, 1.0), (0.25, 0.1)])
@pytest.mark.parametrize("family", FAMILIES)
def test_pace_lets_cost_rise_geometrically_to_its_share_of_the_budget(
    tiny, family, budget_share, schedule_share
):
    """To within half of the smallest resizing of the whole child, which is a factor of 1.25 squared."""
    growth = replace(tiny.growth, family=family, **even(30, 1))
    space = replace(tiny.space, start_width=16, quantum=1, head_width=1, max_width=4096)
    env = ExpansionEnv(replace(tiny, growth=growth, space=space), tasks=(problem_for(family),))
    rule = Pace(budget_share, schedule_share)
    episode = play(env, rule, replace(CONTEXT, budget_multiple=16.0))
    assert all(name == "wait" or "_child_" in name for name in names(episode))
    first, budget = episode.start["cost"], episode.start["cost_budget"]
    for slice_, info in enumerate(episode.infos):
        due = first * (budget_share * budget / first) ** min(1, slice_ / 30 / schedule_share)
        assert abs(log2(info["cost"] / due)) < 0.5 or info["cost"] > 0.8 * budget
    assert not any(info["illegal"] for info in episode.infos)


def test_pace_resizes_streams_where_the_vocabulary_lacks_the_whole_child(tiny, task):
    growth = replace(tiny.growth, **even(12, 1), transformations=("widen_stream_x1.5", "narrow_stream_x0.5"))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(task,))
    episode = play(env, Pace(0.5, 0.4), replace(CONTEXT, budget_multiple=16.0))
    assert {"wait", "widen_stream_x1.5"} <= set(names(episode))
    assert 0.3 < episode.final["cost"] / episode.final["cost_budget"] < 0.8


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_move_is_that_of_the_family_and_what_follows_is_balance(tiny, family):
    growth = replace(tiny.growth, family=family, **even(8, 1))
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(problem_for(family),))
    context = replace(CONTEXT, budget_multiple=16.0)
    first, *_ = names(play(env, make_rule("first_move"), context))
    assert first == FIRST_MOVES.get(family, "wait")
    if first == "wait":
        balanced = play(env, make_rule("balance"), context)
        assert play(env, make_rule("first_move"), context).actions == balanced.actions


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ratio", [0.1, 1.0, 2.0, 4.0, 100.0])
def test_balance_grows_early_to_the_size_that_is_right_within_the_budget(tiny, family, ratio):
    growth = replace(tiny.growth, family=family, **even(30, 1))
    space = replace(tiny.space, start_width=16, quantum=1, head_width=1, max_width=4096)
    env = ExpansionEnv(replace(tiny, growth=growth, space=space), tasks=(problem_for(family),))
    context = replace(CONTEXT, budget_multiple=16.0)
    env.reset(options={"context": context})
    right = env.process.optimal_flops / env.process.first_flops
    episode = play(env, Balance(ratio / right, schedule_share=0.2), context)
    assert not any(info["illegal"] for info in episode.infos)
    costs = [info["cost"] / episode.start["cost"] for info in [episode.start, *episode.infos]]
    assert abs(log2(costs[-1] / min(max(ratio, 1.0), 16.0))) < 0.5
    grown = [info["share"] for info in episode.infos if info["transformation"] != "wait"]
    assert all(0.2 <= share <= 0.4 for share in grown)


@pytest.mark.parametrize(("passes", "grows"), [(0.9, False), (1.1, True)])
def test_balance_does_not_grow_where_less_than_a_pass_is_paid_for(tiny, passes, grows):
    task = problem_for("mlp")
    batch_size = 2
    steps = round(passes * len(task.train) / batch_size)
    growth = replace(tiny.growth, family="mlp", batch_size=batch_size, slices=10, training_steps=steps)
    env = ExpansionEnv(replace(tiny, growth=growth), tasks=(task,))
    episode = play(env, Balance(1e6), replace(CONTEXT, budget_multiple=16.0))
    assert (episode.final["cost"] > episode.start["cost"]) is grows


@pytest.mark.parametrize(
    "arguments", [(0.0,), (-1.0,), (float("nan"),), (float("inf"),), (1.0, 0.0), (1.0, 2.0)]
)
def test_balance_of_a_factor_or_a_share_that_is_none_is_refused(arguments):
    with pytest.raises(InvalidController, match=r"balance|share"):
        Balance(*arguments)


@pytest.mark.parametrize("shares", [(0.0, 0.4), (1.1, 0.4), (0.5, 0.0), (0.5, 2.0), (float("nan"), 0.4)])
def test_pace_of_a_share_that_is_none_is_refused_in_one_line(shares):
    with pytest.raises(InvalidController, match="share") as refused:
        Pace(*shares)
    assert "\n" not in str(refused.value)


def test_a_rule_takes_its_arguments_behind_colons():
    pace = make_rule("pace:0.7:0.2")
    assert (pace.budget_share, pace.schedule_share) == (0.7, 0.2)
    assert make_rule("pace:0.7").schedule_share == Pace().schedule_share
    assert make_rule("threshold:0.8").accuracy == 0.8
    assert is_rule("pace:0.7")
    assert not is_rule("pac:0.7")


@pytest.mark.parametrize("name", ["wait:1", "pace:much", "pace:0.5:0.5:0.5", "pace:2", "threshold:"])
def test_arguments_that_a_rule_does_not_take_are_refused_in_one_line(name):
    with pytest.raises(InvalidController, match=name.partition(":")[0]) as refused:
        make_rule(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_a_function_of_its_arguments(long, name):
    rule = make_rule(name)
    assert play(long, rule).actions == play(long, rule).actions == play(long, make_rule(name)).actions


def test_the_rules_that_grow_are_among_the_rules():
    assert set(GROWING_RULES) == set(RULES) - {"compress", "static"}


def test_an_unknown_rule_is_refused_with_a_near_one():
    with pytest.raises(InvalidController, match="'threshold'"):
        make_rule("treshold")


class Fixed:
    """Stands in for a network: it gives the same logits whatever it sees."""

    layout = Layout(("time",), ("present",), ("wait", "stop", "widen", "narrow"), ("deepen",), ("link",))

    def __init__(self, logits):
        self.logits = torch.tensor([logits])

    def __call__(self, globals_, blocks):
        return self.logits


OBSERVATION = {"globals": np.zeros(1, np.float32), "blocks": np.zeros(0, np.float32)}
"""Of a child without rows, so that all there is are four operations on the child."""
SHOWN = SimpleNamespace(layout=Fixed.layout)


def test_a_learned_policy_takes_its_best_legal_action():
    controller = Learned(Fixed([0.0, 3.0, 1.0, 2.0]))
    for mask, best in (([1, 1, 1, 1], 1), ([1, 0, 1, 1], 3), ([1, 0, 0, 0], 0)):
        rng = np.random.default_rng(0)
        assert controller.decide(DecisionPoint(OBSERVATION, np.array(mask, bool), SHOWN, rng)) == best


def test_a_learned_policy_that_draws_follows_its_probabilities():
    controller, rng = Learned(Fixed([0.0, 5.0, 1.0, 2.0]), draws=True), np.random.default_rng(0)
    mask = np.array([1, 0, 1, 1], bool)
    drawn = [controller.decide(DecisionPoint(OBSERVATION, mask, SHOWN, rng)) for _ in range(4000)]
    expected = np.exp([0.0, -np.inf, 1.0, 2.0])
    found = np.bincount(drawn, minlength=4) / 4000
    assert np.abs(found - expected / expected.sum()).max() < 0.03
    assert found[1] == 0
