"""The contract of ``mse_rl/Expansion-v0``, which importing ``mse_rl.envs`` registers."""

import json
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import log2

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv
from support.grown import grown
from support.problems import FAMILIES, problem_for
from support.schedules import even

from mse_rl.config.training import OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.costs.reward import REWARDS, RewardConfig
from mse_rl.envs.expansion import ILLEGAL_PENALTY, Context, ExpansionEnv, place
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES, HIGH, UNSEEN
from mse_rl.errors import MseRlError
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Link, Position
from mse_rl.training import LiveChild
from mse_rl.transformations import TRANSFORMATIONS

STEM, LATER = Position(0, ENTRY), Position(1, ENTRY)
CONTEXT = Context(task=0, seed=7, budget_multiple=4.0, passes=1.0)


@pytest.fixture
def longer(tiny):
    """Return the tiny environment's settings with 6 slices."""
    return replace(tiny, growth=replace(tiny.growth, **even(6, 2)))


def play(env, seed=0, *, context=CONTEXT, legal=True):
    """Play an episode of random actions; return [(action, observation, reward, ..., info)] with the reset."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(options={"context": context})
    steps = [(None, observation, 0.0, False, False, info)]
    while not (steps[-1][3] or steps[-1][4]):
        mask = env.action_masks() if legal else np.ones(env.action_space.n, bool)
        action = int(rng.choice(np.flatnonzero(mask)))
        steps.append((action, *env.step(action)))
    return steps


def equal(first, second):
    """Compare nested results bit for bit."""
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return type(first) is type(second) and first == second


def settings_of(config, family, **growth):
    """Return what an environment of a family is made from: its settings, on its small problem."""
    growth = replace(config.growth, family=family, **growth)
    return {"config": replace(config, growth=growth), "tasks": (problem_for(family),)}


@pytest.mark.parametrize("compresses", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_gymnasiums_checker_has_nothing_to_say(tiny, family, compresses):
    settings = settings_of(tiny, family)
    if compresses:
        child = grown(family).child
        budget = BudgetConfig(flops_budget=grown(family).state.flops // 2)
        settings |= {"init": child, "config": replace(settings["config"], budget=budget)}
    env = gymnasium.make("mse_rl/Expansion-v0", render_mode="ansi", **settings)
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_stable_baselines_checker_has_nothing_to_say(tiny, family):
    sb3_check_env(ExpansionEnv(**settings_of(tiny, family)), warn=True)


def test_it_can_be_made_by_name_and_renders_the_last_decision(tiny):
    env = gymnasium.make("mse_rl/Expansion-v0", config=tiny, render_mode="ansi")
    env.reset(options={"context": replace(CONTEXT, budget_multiple=50.0)})

    def line(name, target):
        env.step(env.unwrapped.actions.encode(name, target, env.unwrapped.process.state.architecture))
        return env.render()

    first, second = line("deepen_conv", LATER), line("link", Link(STEM, Position(1, 0)))
    assert "deepen_conv" in first
    assert " 1 " in first
    assert "1/2" in first
    assert " 0-1.0 " in second
    assert "taken back" not in first + second


@pytest.mark.parametrize(
    ("target", "written"),
    [
        (None, ""),
        (LATER, "1"),
        (Position(0, 1), "0.1"),
        (Link(STEM, Position(1, 0)), "0-1.0"),
        (Link(Position(0, 1), Position(2, 3)), "0.1-2.3"),
    ],
)
def test_an_entry_is_written_as_its_stage_a_block_with_its_number_and_a_pair_with_both(target, written):
    assert place(target) == written


def test_before_the_first_reset_it_says_so(tiny):
    with pytest.raises(gymnasium.error.ResetNeeded):
        ExpansionEnv(tiny).step(0)


def check_observation(env, observation, info):
    """Check what is true of every observation; return globals and rows of blocks by feature."""
    assert env.observation_space.contains(observation)
    assert all(np.isfinite(values).all() for values in observation.values())
    rows = observation["blocks"].reshape(-1, len(BLOCK_FEATURES))
    table = dict(zip(BLOCK_FEATURES, rows.T, strict=True))
    seen = dict(zip(GLOBAL_FEATURES, observation["globals"], strict=True))
    process, architecture = env.process, env.process.state.architecture
    sites = len(architecture.sites)
    assert table["present"].tolist() == [1] * sites + [0] * (len(rows) - sites)
    assert not rows[sites:].any()
    assert 0 < table["flops_share"].sum() < 1
    assert table["links_in"].sum() == table["links_out"].sum() == len(architecture.links) / 4
    for row, position in enumerate(architecture.sites):
        own = {name: column[row] for name, column in table.items()}
        assert own[f"family_{architecture.family}"] == 1
        assert own["entry"] == (position.block == ENTRY)
        assert own["stage_fraction"] == np.float32(position.stage / len(architecture.stages))
        if own["entry"]:
            assert not any(own[name] for name in own if name.startswith(("kind_", "activation_")))
            assert own["importance"] == own["dead_fraction"] == UNSEEN
        else:
            block = architecture.block(position)
            assert own[f"kind_{block.kind}"] == 1
            assert block.activation == "none" or own[f"activation_{block.activation}"] == 1
    families = sum(table[f"family_{family}"] for family in FAMILIES)
    assert families.tolist() == table["present"].tolist()
    assert seen["decisions_left"] == np.float32(1 - info["slice"] / env.config.growth.slices)
    assert seen["time_left"] == np.float32(max(0, 1 - info["share"]))
    assert seen["learning_rate"] == np.float32(process.learning_rate / process.peak_learning_rate)
    assert seen["log_compute"] == pytest.approx(max(-1, log2(process.first_passes) / 8))
    assert seen["passes_left"] == pytest.approx(max(-1, log2(max(process.passes_left, 1e-9)) / 8))
    assert (seen["budget_left"] >= 0) == info["fits"]
    assert seen["rolled_back"] == bool(info["receipt"] and info["receipt"]["rolled_back"])
    return seen, table


@pytest.mark.parametrize("compresses", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_observations_are_in_their_space_and_rows_without_anything_are_zero(longer, family, compresses):
    settings = settings_of(longer, family, **even(12, 2), skill_tolerance=0.0)
    settings["config"] = replace(settings["config"], space=SearchSpace(max_blocks=7, start_width=4))
    env = ExpansionEnv(**settings, init=grown(family).child if compresses else None)
    context, fits, taken_back = replace(CONTEXT, budget_multiple=0.4 if compresses else 5.0), set(), 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        observation, info = env.reset(options={"context": context})
        done = False
        while not done:
            seen, _ = check_observation(env, observation, info)
            taken_back += seen["rolled_back"]
            fits.add(info["fits"])
            legal = np.flatnonzero(env.action_masks())
            action = rng.choice(legal[legal > 1]) if (legal > 1).any() else 0
            observation, _, done, _, info = env.step(action)
        check_observation(env, observation, info)
    assert fits == ({False, True} if compresses else {True})
    assert taken_back > 0


def test_what_was_not_seen_yet_is_the_sentinel_and_what_was_seen_is_not(tiny):
    env = ExpansionEnv(tiny)
    observation, _ = env.reset(options={"context": CONTEXT})

    def unseen(values, names):
        return {name for name, value in zip(names, values, strict=True) if value == UNSEEN}

    changes = {"training_loss_change", "validation_loss_change", "skill_change"}
    assert unseen(observation["globals"], GLOBAL_FEATURES) == {
        "training_loss",
        "generalisation_gap",
        *changes,
    }
    assert unseen(observation["blocks"][: len(BLOCK_FEATURES)], BLOCK_FEATURES) == {
        "gradient_norm",
        "growth_score",
        "dead_fraction",
        "importance",
    }
    observation, *_ = env.step(env.actions.encode("deepen_conv", STEM, env.process.state.architecture))
    assert unseen(observation["globals"], GLOBAL_FEATURES) == {"training_loss_change"}
    observation, *_ = env.step(0)
    assert not unseen(observation["globals"], GLOBAL_FEATURES)
    rows = observation["blocks"].reshape(-1, len(BLOCK_FEATURES))[:3]
    of_entry = {"gradient_norm", "growth_score", "dead_fraction", "importance"}
    assert [unseen(row, BLOCK_FEATURES) for row in rows] == [of_entry, set(), of_entry]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", REWARDS)
def test_the_return_is_what_the_last_child_is_worth_less_what_the_first_one_was(longer, name, seed):
    env = ExpansionEnv(replace(longer, reward=RewardConfig(name, 0.03, 0.1, -0.2, -0.2)))
    steps = play(env, seed)
    first, last = steps[0][-1], steps[-1][-1]
    assert sum(step[2] for step in steps) == pytest.approx(last["utility"] - first["utility"])
    assert all(step[-1]["utility"] == pytest.approx(sum(step[-1]["terms"].values())) for step in steps)
    assert last["flops"] != first["flops"]


def test_a_link_and_an_activation_are_seen_at_their_blocks(longer):
    env = ExpansionEnv(replace(longer, growth=replace(longer.growth, slices=8)))
    env.reset(options={"context": replace(CONTEXT, budget_multiple=50.0)})
    for name, target in (
        ("deepen_conv", STEM),
        ("deepen_conv", LATER),
        ("activation_tanh", Position(1, 0)),
        ("link", Link(STEM, Position(1, 0))),
        ("grow_kernel", Position(0, 0)),
    ):
        observation, *_, info = env.step(env.actions.encode(name, target, env.process.state.architecture))
        assert not info["illegal"]
    _, table = check_observation(env, observation, info)
    assert table["links_out"][:4].tolist() == [0.25, 0, 0, 0]
    assert table["links_in"][:4].tolist() == [0, 0, 0, 0.25]
    assert table["activation_silu"][:4].tolist() == [0, 1, 0, 0]
    assert table["activation_tanh"][:4].tolist() == [0, 0, 0, 1]
    assert table["log_kernel"][1] > table["log_kernel"][3]
    assert table["importance"].max() == 1


def test_entries_know_their_width_their_share_and_how_old_they_are(tiny):
    env = ExpansionEnv(tiny)
    env.reset(options={"context": CONTEXT})
    observation, *_, info = env.step(0)
    _, table = check_observation(env, observation, info)
    assert table["log_width"][:2].tolist() == pytest.approx([0.2, 0.3])  # of 4 and 8
    assert table["age"][:2].tolist() == [0.5, 0.5]
    assert table["depth_fraction"][:2].tolist() == [0, 0.5]
    assert table["flops_share"][:2].sum() > 0.9


def test_what_is_taken_back_is_told_in_info_observation_and_line(longer, monkeypatch):
    env = ExpansionEnv(longer, render_mode="ansi")
    env.reset(options={"context": CONTEXT})
    action = env.actions.encode("narrow_stream_x0.5", LATER, env.process.state.architecture)
    before = env.step(0)
    worse = replace(env.process.state.validation, skill=-1.0)
    with monkeypatch.context() as patch:
        patch.setattr(LiveChild, "validate", lambda live: worse)
        after = env.step(action)
    assert after[4]["receipt"]["rolled_back"] is True
    assert (after[4]["transformation"], after[4]["illegal"]) == ("narrow_stream_x0.5", False)
    assert all(after[4][key] == before[4][key] for key in ("skill", "flops", "validation_loss"))
    assert after[4]["training_flops"] > before[4]["training_flops"]
    assert after[0]["globals"][GLOBAL_FEATURES.index("rolled_back")] == 1
    assert "taken back" in env.render()
    assert not env.action_masks()[action]
    observation, *_, info = env.step(0)
    assert info["receipt"]["rolled_back"] is False
    assert observation["globals"][GLOBAL_FEATURES.index("rolled_back")] == 0
    assert "taken back" not in env.render()
    assert env.action_masks()[action]


def test_only_the_vocabulary_is_ever_legal(longer):
    words = ("deepen_separable", "unlink", "narrow_stream_x0.5")
    env = ExpansionEnv(replace(longer, growth=replace(longer.growth, transformations=words)))
    assert {step[-1]["transformation"] for step in play(env)[1:]} <= {"wait", *words}


def test_an_illegal_action_is_a_wait_with_a_penalty(tiny):
    def last(action, budget=4.0):
        env = ExpansionEnv(tiny)
        env.reset(options={"context": replace(CONTEXT, budget_multiple=budget)})
        env.step(1)  # stop
        if action:
            assert not env.action_masks()[action]
        return env.step(action)

    observation, reward, terminated, truncated, info = last(0)
    for action in (1, 2, ExpansionEnv(tiny).action_space.n - 1):
        found = last(action)
        assert equal(found[0], observation)
        assert found[1] == pytest.approx(reward - ILLEGAL_PENALTY)
        assert found[2:4] == (terminated, truncated)
        assert found[4]["illegal"] is True
        assert equal(found[4] | {"illegal": False}, info)


def test_no_action_ever_raises(longer):
    steps = play(ExpansionEnv(longer), 3, legal=False)
    assert any(step[-1]["illegal"] for step in steps[1:])
    assert len(steps) == 7


def test_the_budget_is_kept_and_known_before_any_weight_moves(longer):
    env = ExpansionEnv(longer)
    budget = replace(CONTEXT, budget_multiple=1.5)
    for step in play(env, 1, context=budget):
        assert step[-1]["flops"] <= step[-1]["flops_budget"] == int(1.5 * env.process.first_flops)


def test_info_is_the_same_in_two_runs_and_is_not_shared_between_steps(longer):
    first, second = (play(ExpansionEnv(longer), 5) for _ in range(2))
    assert equal(first, second)
    assert not any("second" in key or "time" in key for key in first[-1][-1])
    kept = json.dumps(first[1][-1])
    for step in first[2:]:
        step[-1]["terms"].clear()
        step[1]["blocks"].fill(9)
    assert json.dumps(first[1][-1]) == kept
    keys = {"task", "slice", "skill", "flops", "flops_budget", "training_flops", "utility", "terms", "fits"}
    assert keys < set(first[0][-1])
    for info in (step[-1] for step in first[1:]):
        receipt = info["receipt"]
        assert receipt["transformation"] == info["transformation"]
        assert receipt["output_change"] < 1e-4 or not TRANSFORMATIONS[info["transformation"]].preserving


@pytest.mark.parametrize("compresses", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_episode_is_the_same_in_every_family_with_the_cache_and_without(longer, family, compresses):
    settings = settings_of(longer, family, skill_tolerance=0.0)
    init = grown(family).child if compresses else None
    context = replace(CONTEXT, budget_multiple=0.5 if compresses else 4.0)
    plain, cached = (
        ExpansionEnv(**settings | {"config": replace(settings["config"], cache_mb=mb)}, init=init)
        for mb in (0, 16)
    )
    for seed in range(2):
        expected = play(plain, seed, context=context)
        assert equal(play(cached, seed, context=context), expected)
        assert equal(play(cached, seed, context=context), expected)
        assert expected[0][-1]["fits"] != compresses
    assert cached.cache.hits >= 14


@pytest.mark.parametrize("cache_mb", [0, 16])
def test_a_shared_prefix_from_the_cache_changes_nothing(longer, cache_mb):
    env = ExpansionEnv(replace(longer, cache_mb=cache_mb))
    assert equal(play(env, 5), play(env, 5))
    assert (env.cache.hits if env.cache else 0) == (7 if cache_mb else 0)
    assert equal(play(env, 5), play(ExpansionEnv(replace(longer, cache_mb=0)), 5))


def test_the_context_says_which_episode_it_is(tiny):
    env = ExpansionEnv(replace(tiny, task=("digits", "digits")))
    _, info = env.reset(options={"context": CONTEXT})
    assert info["flops_budget"] == 4 * env.process.first_flops
    assert env.process.seed == 7
    first = info["validation_loss"]
    _, other = env.reset(options={"context": replace(CONTEXT, seed=8)})
    assert other["validation_loss"] != first
    _, again = env.reset(seed=3, options={"context": CONTEXT})
    assert equal(again, info)
    assert env.process.task is env.tasks[0]
    env.reset(options={"context": replace(CONTEXT, task=1)})
    assert env.process.task is env.tasks[1]


def test_the_first_width_is_drawn_with_the_context_unless_it_is_given(tiny):
    drawn = replace(tiny, space=replace(tiny.space, start_width=None))
    env = ExpansionEnv(replace(drawn, growth=replace(tiny.growth, width_low=0.25, width_high=2.0)))
    rng = np.random.default_rng(0)
    multiples = np.array([env.draw_context(rng).width_multiple for _ in range(2000)])
    assert ((multiples >= 0.25) & (multiples <= 2)).all()
    assert 0.45 < (multiples < 0.5**0.5).mean() < 0.55  # log-uniform
    for multiple, width in ((0.25, 4), (0.3, 4), (1.0, 16), (1.27, 20)):
        env.reset(options={"context": replace(CONTEXT, width_multiple=multiple)})
        assert env.process.first_architecture.stages[0].width == width
    env = ExpansionEnv(tiny)
    env.reset(options={"context": replace(CONTEXT, width_multiple=2.0)})
    assert env.process.first_architecture.stages[0].width == 4


def test_growth_may_begin_from_an_architecture_with_new_weights(tiny):
    start = grown("cnn").state.architecture
    env = ExpansionEnv(tiny, tasks=(problem_for("cnn"),), start=start)
    for seed in (7, 8):
        _, info = env.reset(options={"context": replace(CONTEXT, seed=seed)})
        assert env.process.state.architecture == start
        assert info["flops"] == env.process.first_flops == grown("cnn").state.flops
        assert info["flops_budget"] == 4 * info["flops"]
        assert info["receipt"] is None
        assert not torch.equal(env.process.child.head.linear.weight, grown("cnn").child.head.linear.weight)


def test_contexts_are_drawn_within_the_range_of_budgets_and_by_the_seed(tiny):
    env = ExpansionEnv(replace(tiny, task=("digits", "digits")))
    rng = np.random.default_rng(0)
    drawn = [env.draw_context(rng) for _ in range(2000)]
    multiples = np.array([context.budget_multiple for context in drawn])
    assert ((multiples >= 2) & (multiples <= 8)).all()
    assert 0.45 < (multiples < 4).mean() < 0.55  # log-uniform: half of them below the geometric mean
    passes = np.array([context.passes for context in drawn])
    low, high = tiny.growth.passes_low, tiny.growth.passes_high
    assert ((passes >= low) & (passes <= high)).all()
    assert 0.45 < (passes < (low * high) ** 0.5).mean() < 0.55
    assert abs(np.corrcoef(np.log(multiples), np.log(passes))[0, 1]) < 0.1
    assert {context.task for context in drawn} == {0, 1}
    assert len({context.seed for context in drawn}) == 2000
    infos = [env.reset(seed=seed)[1] for seed in (1, 1, 2)]
    assert equal(infos[0], infos[1])
    assert infos[0]["flops_budget"] != infos[2]["flops_budget"]
    assert env.reset()[1]["flops_budget"] not in {info["flops_budget"] for info in infos}


def test_the_training_flops_of_an_episode_are_passes_of_the_first_child_unless_they_are_given(tiny):
    drawn = replace(tiny, growth=replace(tiny.growth, training_steps=None))
    env = ExpansionEnv(drawn)
    samples = len(env.tasks[0].train)
    for passes in (2.0, 5.0):
        env.reset(options={"context": replace(CONTEXT, passes=passes)})
        process = env.process
        assert process.config == env.growth(replace(CONTEXT, passes=passes))
        assert process.schedule.total == int(3 * process.first_flops * samples * passes)
        assert process.first_passes == pytest.approx(passes, rel=1e-3)
    given = ExpansionEnv(replace(drawn, growth=replace(drawn.growth, training_flops=1e9)))
    given.reset(options={"context": CONTEXT})
    assert given.process.schedule.total == 10**9


def test_a_budget_of_training_flops_is_spent_whatever_is_done(longer):
    """To within a step in each slice; and info tells how much of it is spent."""
    env = ExpansionEnv(replace(longer, growth=replace(longer.growth, training_steps=None, batch_size=8)))
    for seed in range(4):
        steps = play(env, seed, context=replace(CONTEXT, passes=3.0))
        infos, total = [step[-1] for step in steps], env.process.schedule.total
        assert [info["share"] for info in infos] == pytest.approx(
            [info["training_flops"] / total for info in infos]
        )
        largest = max(info["flops"] for info in infos)
        assert abs(infos[-1]["training_flops"] - total) <= 6 * 3 * 8 * largest
        counts = [info["training_steps"] for info in infos]
        assert all(after > before for before, after in pairwise(counts))


def test_a_given_budget_is_the_budget(tiny):
    env = ExpansionEnv(replace(tiny, budget=BudgetConfig(flops_budget=123_456)))
    assert env.reset(seed=0)[1]["flops_budget"] == 123_456


def rollout(vec):
    """Play two episodes in each environment, past the automatic reset; return all that came back."""
    vec.seed(11)
    torch.manual_seed(0)  # a controller may set it; children must not care
    results = [vec.reset()]
    for step, action in enumerate((0, 5, 2, 0)):
        torch.rand(step + 1)
        observations, rewards, dones, infos = vec.step(np.full(vec.num_envs, action))
        # SubprocVecEnv leaves rewards in float64
        results.append((observations, rewards.astype(np.float32), dones, list(infos)))
    vec.close()
    return results


def test_the_same_seed_is_the_same_episode_in_this_process_and_in_others(tiny):
    makers = [partial(ExpansionEnv, tiny)] * 2
    here, again = rollout(DummyVecEnv(makers)), rollout(DummyVecEnv(makers))
    there = rollout(SubprocVecEnv(makers, start_method="spawn"))
    assert equal(here, again)
    assert equal(here, there)
    assert here[2][2].all()
    assert not np.array_equal(*here[0]["globals"])  # two environments, two episodes


def test_the_policys_sampler_is_left_alone(tiny):
    env = ExpansionEnv(tiny)
    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the one that is watched
    play(env)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize("family", FAMILIES)
def test_a_child_that_diverges_terminates_the_episode_and_is_seen(longer, family):
    settings = settings_of(longer, family)
    optimizer = OptimizerConfig("sgd", learning_rate=1e30)
    env = ExpansionEnv(**settings | {"config": replace(settings["config"], optimizer=optimizer)})
    steps = play(env)
    _, observation, reward, terminated, truncated, info = steps[-1]
    assert (terminated, truncated) == (True, False)
    assert (info["fault"], info["failed"]) == ("diverged", True)
    assert info["skill"] == 0
    assert np.isfinite(reward)
    assert sum(step[2] for step in steps) == pytest.approx(info["utility"] - steps[0][-1]["utility"])
    assert env.observation_space.contains(observation)
    assert observation["globals"][GLOBAL_FEATURES.index("validation_loss")] == HIGH


def test_the_time_limit_truncates(tiny):
    env = ExpansionEnv(replace(tiny, growth=replace(tiny.growth, time_limit_seconds=1e-9)))
    env.reset(seed=0)
    *_, terminated, truncated, _ = env.step(0)
    assert (terminated, truncated) == (False, True)


def test_the_target_skill_terminates(longer):
    growth = replace(longer.growth, **even(30, 20), target_skill=0.3)
    env = ExpansionEnv(replace(longer, growth=growth))
    env.reset(seed=0)
    terminated = False
    while not terminated:
        *_, terminated, truncated, info = env.step(0)
        assert not truncated
    assert info["skill"] >= 0.3
    assert info["slice"] < 30


@pytest.mark.parametrize(("family", "bound"), [("cnn", "max_stages"), ("transformer", "max_blocks")])
def test_a_space_with_fewer_rows_than_the_first_child_asks_for_is_refused(tiny, family, bound):
    settings = settings_of(tiny, family)
    settings["config"] = replace(settings["config"], space=SearchSpace(**{bound: 1}))
    with pytest.raises(MseRlError, match=f"`{bound}`"):
        ExpansionEnv(**settings).reset(seed=0)


def test_growth_may_begin_from_a_child(tiny):
    donor = ExpansionEnv(tiny)
    play(donor, 1)
    env = ExpansionEnv(tiny, init=donor.process.child)
    _, info = env.reset(options={"context": CONTEXT})
    assert info["skill"] == donor.process.state.validation.skill
    assert info["flops"] == donor.process.state.flops
    assert info["flops_budget"] == 4 * info["flops"]


def test_vectors_can_be_learned_by_an_mlp(tiny, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(80, 5)).astype(np.float32), np.arange(80) % 2
    x += y[:, None]
    path = tmp_path / "blobs.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    growth = replace(tiny.growth, **even(2, 30), family="mlp")
    config = replace(tiny, task=(f"npz:{path}",), data=TaskConfig(), growth=growth)
    steps = play(ExpansionEnv(config))
    assert len(steps) == 3
    assert steps[-1][-1]["skill"] > 0.3
