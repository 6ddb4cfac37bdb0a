"""A child beyond its budget shrinks until it fits; then it is free to do anything within it."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support.grown import START, grown
from support.problems import FAMILIES, problem_for
from support.schedules import even

from mse_rl.agents.controller import run_episode
from mse_rl.agents.rules import RULES, make_rule
from mse_rl.config.training import ExpansionConfig, GrowthConfig
from mse_rl.costs import cost, training_bytes
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, InvalidTransformation
from mse_rl.growth.cache import PrefixCache
from mse_rl.spec import SearchSpace
from mse_rl.training import LiveChild
from mse_rl.transformations import TRANSFORMATIONS

HALF = Context(task=0, seed=2, budget_multiple=0.5, passes=1.0)


def halved(grow, family, **settings):
    """Begin growth from a grown child under half of its FLOPs."""
    init = grown(family).child
    arguments = {"flops_budget": cost(init.architecture).flops // 2, "slices": 10, "init": init}
    return grow(problem_for(family), family=family, **arguments | settings)


def flops_after(process, name, target):
    return cost(TRANSFORMATIONS[name].edit(process.state.architecture, target, process.space)).flops


def environment(family, task=None, init=None, slice_steps=2, **settings):
    growth_config = GrowthConfig(family=family, **even(10, slice_steps), batch_size=16)
    init = init or grown(family).child
    config = ExpansionConfig(growth=replace(growth_config, **settings))
    return ExpansionEnv(config, tasks=(task or problem_for(family),), init=init)


def play(env, rule, context=HALF):
    return run_episode(env, make_rule(rule), context, seeds=range(20))


@pytest.mark.parametrize("family", FAMILIES)
def test_until_it_fits_only_what_shrinks_the_child_is_legal(grow, family):
    process = halved(grow, family)
    assert not process.fits
    names = set(dict(process.choices()))
    assert {
        "narrow_inner_x0.5",
        "narrow_stream_x0.5",
        "narrow_stream_x0.75",
        "remove_block",
        "unlink",
    } <= names
    assert all(flops_after(process, *choice) < process.state.flops for choice in process.choices())
    state = process.state
    for name, target in (
        ("wait", None),
        ("stop", None),
        ("widen_inner_x2", START),
        ("activation_tanh", START),
    ):
        assert not process.legal(name, target)
        with pytest.raises(InvalidTransformation, match="choices"):
            process.advance(name, target)
    assert process.state is state


@pytest.mark.parametrize("family", FAMILIES)
def test_once_it_fits_everything_within_the_budget_is_legal_again(grow, family):
    process = halved(grow, family, skill_tolerance=1.0)

    def growing():
        return [c for c in process.choices() if flops_after(process, *c) > process.state.flops]

    while not growing():
        state = process.advance(*min(process.choices(), key=lambda choice: flops_after(process, *choice)))
        assert process.fits == (state.flops <= process.cost_budget) == process.legal("wait", None)
    assert process.choices()[:2] == (("wait", None), ("stop", None))
    assert all(flops_after(process, *choice) <= process.cost_budget for choice in process.choices())
    assert state.flops < process.advance(*growing()[0]).flops <= process.cost_budget


def test_while_it_must_shrink_nothing_is_taken_back_whatever_skill_does(grow, monkeypatch):
    process = halved(grow, "cnn", skill_tolerance=0.0, slices=20)
    told = iter(-np.arange(20.0))
    measure = LiveChild.validate
    monkeypatch.setattr(LiveChild, "validate", lambda live: replace(measure(live), skill=float(next(told))))
    flops = [process.state.flops]
    while not process.fits:
        state = process.advance(*process.choices()[0])
        assert not state.rolled_back
        flops.append(state.flops)
    assert flops == sorted(set(flops), reverse=True)
    shrinking = next(c for c in process.choices() if not TRANSFORMATIONS[c[0]].preserving)
    assert process.advance(*shrinking).rolled_back


def test_a_child_beyond_the_memory_budget_shrinks_until_it_fits(grow):
    init = grown("cnn").child
    budget = training_bytes(init.architecture, 16) // 2
    process = halved(grow, "cnn", flops_budget=10**8, memory_budget=budget, slices=20)
    assert not process.fits
    while not process.fits:
        assert not process.legal("wait", None)
        process.advance(*process.choices()[-1])
    assert training_bytes(process.state.architecture, 16) <= budget
    assert process.legal("wait", None)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_budget_that_a_child_cannot_shrink_to_is_refused_with_the_least_that_it_can(grow, family):
    with pytest.raises(InvalidConfig) as refused:
        halved(grow, family, flops_budget=1)
    least = int(re.search(r"at least ([\d,]+)", str(refused.value))[1].replace(",", ""))
    with pytest.raises(InvalidConfig):
        halved(grow, family, flops_budget=least - 1)
    process = halved(grow, family, flops_budget=least, slices=100, slice_steps=1)
    while not process.fits:  # blocks last, as narrow as can be
        assert not process.legal("wait", None)
        blocks_last = [choice for choice in process.choices() if choice[0] != "remove_block"]
        process.advance(
            *min(blocks_last or process.choices(), key=lambda choice: flops_after(process, *choice))
        )
    assert process.state.flops == least


@pytest.mark.parametrize("family", FAMILIES)
def test_there_is_no_wrong_way_to_shrink(grow, family):
    """Any block may go, and any stream becomes as narrow as can be."""
    with pytest.raises(InvalidConfig) as refused:
        halved(grow, family, flops_budget=1)
    least = int(re.search(r"at least ([\d,]+)", str(refused.value))[1].replace(",", ""))
    for seed in range(3):
        process = halved(grow, family, flops_budget=least, slices=100, slice_steps=1)
        rng = np.random.default_rng(seed)
        while not process.fits:
            assert not process.legal("wait", None)
            process.advance(*process.choices()[rng.integers(len(process.choices()))])
        assert (process.state.flops, process.state.architecture.depth) == (least, 0)


def test_a_child_that_cannot_shrink_any_further_may_wait_but_nothing_else(grow):
    """Under a memory budget, which is not refused: how much memory can be saved is not known before."""
    process = halved(grow, "transformer", flops_budget=10**8, memory_budget=1, slices=100, slice_steps=1)
    while not process.legal("wait", None):
        process.advance(*process.choices()[-1])
    assert not process.fits
    assert process.choices() == (("wait", None),)
    assert not process.advance("wait").stopped


def test_a_vocabulary_in_which_nothing_shrinks_is_refused_for_a_child_that_does_not_fit(grow):
    with pytest.raises(InvalidConfig, match="transformations that may be used"):
        halved(grow, "mlp", transformations=("stop", "deepen_linear", "widen_inner_x2"))


@pytest.mark.parametrize("family", FAMILIES)
def test_compress_reaches_the_budget_by_the_middle_of_the_schedule_and_trains_on(family):
    env = environment(family)
    episode = play(env, "compress")
    fits = [info["fits"] for info in (episode.start, *episode.infos)]
    assert fits == sorted(fits)
    assert (fits[0], fits[5]) == (False, True)
    for info in (episode.start, *episode.infos):
        assert info["fits"] == (info["flops"] <= info["flops_budget"])
    names = [info["transformation"] for info in episode.infos]
    first = names.index("wait")
    assert set(names[first:]) == {"wait"}
    assert not {"wait", "stop"} & set(names[:first])
    assert len(names) == 10


@pytest.mark.parametrize("family", ["cnn", "mlp"])
def test_compress_halves_a_child_of_digits_and_keeps_most_of_its_skill(task, family):
    """The large one has skill 0.8 or more; guessing has 0."""
    init = grown(family, task)
    env = environment(family, task, init.child, slice_steps=15)
    episode = play(env, "compress")
    assert episode.final["fits"]
    assert episode.final["flops"] <= 0.5 * episode.start["flops"]
    assert episode.start["skill"] == init.state.validation.skill > 0.4
    assert episode.final["skill"] > 0.9 * episode.start["skill"]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_plays_an_episode_that_begins_beyond_the_budget(family, rule):
    env = environment(family, slice_steps=1, skill_tolerance=0.0)
    episode = play(env, rule)
    assert len(episode.actions) == 10
    assert not episode.start["fits"]
    assert not any(info["illegal"] for info in episode.infos)
    assert episode.final["fits"]
    for mask, info in zip(episode.masks, (episode.start, *episode.infos), strict=False):
        assert mask[0] == info["fits"]
        assert mask.any()


@pytest.mark.parametrize("multiple", [0.05, 0.9, 1.0])
def test_compress_plays_on_under_any_budget(multiple):
    episode = play(environment("cnn", slice_steps=1), "compress", replace(HALF, budget_multiple=multiple))
    assert len(episode.actions) == 10
    assert not any(info["illegal"] for info in episode.infos)
    assert episode.final["fits"]


def test_compress_meets_a_memory_budget_too():
    init = grown("transformer").child
    budget = training_bytes(init.architecture, 16) // 2
    env = environment("transformer", slice_steps=1, memory_budget=budget)
    episode = play(env, "compress", replace(HALF, budget_multiple=4.0))
    assert (episode.start["fits"], episode.final["fits"]) == (False, True)


def test_an_illegal_action_while_it_must_shrink_is_something_that_is_legal_with_a_penalty():
    env = environment("mlp", slice_steps=1)
    _, start = env.reset(options={"context": HALF})
    first = env.process.choices()[0]
    *_, info = env.step(0)  # wait
    assert info["illegal"]
    assert (info["transformation"], info["target"]) == first
    assert info["flops"] < start["flops"]


@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_cache_compression_is_what_it_is_without(grow, family):
    def play(process):
        rng = np.random.default_rng(1)
        while not process.finished:
            yield process.advance(*process.choices()[rng.integers(len(process.choices()))])

    settings = {"slices": 8, "slice_steps": 2, "skill_tolerance": 0.0}
    expected = list(play(halved(grow, family, **settings)))
    cache = PrefixCache(1 << 26)
    for hits in (0, 9):
        assert list(play(halved(grow, family, cache=cache, **settings))) == expected
        assert cache.hits == hits


def test_a_cache_is_not_shared_by_a_budget_that_is_met_and_one_that_is_not(grow, monkeypatch):
    """Shrinking is undone under the one, and kept under the other."""
    fall = iter((0.9, 0.5, 0.9, 0.5))
    measure = LiveChild.validate
    monkeypatch.setattr(LiveChild, "validate", lambda live: replace(measure(live), skill=next(fall)))
    cache = PrefixCache(1 << 26)
    taken_back = [
        halved(grow, "mlp", cache=cache, flops_budget=budget).advance("narrow_inner_x0.5", START).rolled_back
        for budget in (10**7, 500)
    ]
    assert taken_back == [True, False]
    assert cache.hits == 0


def test_a_child_beyond_the_search_space_is_refused(grow):
    with pytest.raises(InvalidConfig, match="`max_width`"):
        halved(grow, "cnn", space=SearchSpace(max_width=8))
