"""The loop of the method, on 200 digits and on small problems of every kind of input."""

from collections import Counter
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.problems import FAMILIES, FIRST_KINDS, problem, problem_for
from support.schedules import even

from mse_rl.config.commands import ApplyConfig
from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs import cost, training_bytes
from mse_rl.costs.measures import BudgetConfig
from mse_rl.data import Split
from mse_rl.data.sources import silent
from mse_rl.errors import InvalidArchitecture, InvalidConfig, InvalidTransformation, MseRlError
from mse_rl.growth.cache import PrefixCache
from mse_rl.growth.process import GrowthProcess
from mse_rl.runs.growing import grow as grown_by_apply
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Link, Position
from mse_rl.training import live_child
from mse_rl.transformations import OUTPUT_CHANGE_SAMPLES, TRANSFORMATIONS

STEM, START, LATER = Position(0, ENTRY), Position(0, 0), Position(1, ENTRY)
PATH = [
    ("deepen_conv", LATER),
    ("widen_inner_x2", Position(1, 0)),
    ("widen_child_x1.5", None),
    ("stop", None),
]
OPTIMIZERS = pytest.mark.parametrize(
    "optimizer", [OptimizerConfig(name) for name in ("sgd", "adamw", "muon")], ids=lambda o: o.optimizer
)
GROWING = ("deepen", "widen", "grow_kernel", "link")


def play(process, path=PATH):
    """Take the decisions; return the state after each, and before the first."""
    return [process.state, *(process.advance(*decision) for decision in path)]


def weights(process):
    return {name: tensor.clone() for name, tensor in process.child.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def grow_at_random(process, seed, wish=lambda name: True):
    """Take random legal decisions to the end; yield the state after each."""
    rng = np.random.default_rng(seed)
    while not process.finished:
        choices = [choice for choice in process.choices() if wish(choice[0])] or [("wait", None)]
        yield process.advance(*choices[rng.integers(len(choices))])


@OPTIMIZERS
def test_the_same_seed_gives_the_same_numbers_bit_for_bit(grow, optimizer):
    first, second = (grow(optimizer=optimizer) for _ in range(2))
    assert play(first) == play(second)
    assert same(weights(first), weights(second))


def test_another_seed_gives_other_numbers(grow):
    assert grow(seed=0).state.validation.loss != grow(seed=1).state.validation.loss


def test_the_global_generator_is_never_touched(grow):
    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state()
    cache = PrefixCache(1 << 24)
    process = grow(cache=cache)
    play(process)
    play(grow(cache=cache))
    process.test()
    assert torch.equal(before, torch.get_rng_state())


@OPTIMIZERS
def test_with_the_cache_everything_is_what_it_is_without(grow, optimizer):
    plain = grow(optimizer=optimizer)
    expected = play(plain)
    cache = PrefixCache(1 << 26)
    for hits in (0, 5):
        process = grow(optimizer=optimizer, cache=cache)
        assert play(process) == expected
        assert cache.hits == hits
        assert same(weights(process), weights(plain))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_cache_random_growth_is_what_it_is_without(grow, family, seed):
    settings = {"family": family, "slices": 7, "skill_tolerance": 0.0, "flops_budget": 300_000}
    plain = grow(problem_for(family), **settings)
    expected = [plain.state, *grow_at_random(plain, seed, wish=lambda name: name not in ("wait", "stop"))]
    path = [(state.receipt.transformation, state.receipt.target) for state in expected[1:]]
    cache = PrefixCache(1 << 26)
    for hits in (0, 4, 12):
        process = grow(problem_for(family), cache=cache, **settings)
        taken = path[:3] if hits == 0 else path  # then on from a prefix, then all of it
        assert play(process, taken) == expected[: len(taken) + 1]
        assert cache.hits == hits
    assert same(weights(process), weights(plain))


def test_training_goes_on_from_a_restored_prefix_as_if_it_had_not_been_interrupted(grow):
    plain, cache = grow(), PrefixCache(1 << 26)
    expected = play(plain)
    play(grow(cache=cache), [*PATH[:2], ("wait", None)])
    branch = grow(cache=cache)
    assert play(branch) == expected
    assert cache.hits == 3  # the beginning and two decisions
    assert same(weights(branch), weights(plain))


def test_a_cache_is_not_shared_by_what_would_train_differently(grow):
    cache = PrefixCache(1 << 26)
    for settings in (
        {},
        {"seed": 1},
        {"optimizer": OptimizerConfig("adamw")},
        {"slice_steps": 2},
        {"batch_size": 8},
    ):
        play(grow(cache=cache, **settings), PATH[:1])
    assert cache.hits == 0


def test_a_cache_is_shared_by_budgets_for_they_only_bound_decisions(grow):
    cache = PrefixCache(1 << 26)
    play(grow(cache=cache))
    play(grow(cache=cache, flops_budget=2_000_000))
    assert cache.hits == 5


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("deepen_conv", None),
        ("deepen_conv", Position(0, 1)),
        ("deepen_conv", Position(2, ENTRY)),
        ("deepen_gru", START),
        ("link", START),
        ("link", Link(LATER, START)),
        ("link", Link(START, START)),
        ("link", Link(START, LATER)),
        ("unlink", Link(STEM, START)),
        ("remove_block", STEM),
        ("widen_inner_x2", STEM),
        ("activation_tanh", STEM),
        ("activation_silu", START),
        ("widen_stream_x2", START),
        ("widen_stream_x2", Link(STEM, START)),
        ("widen_child_x2", STEM),
        ("wait", START),
        ("stop", STEM),
    ],
)
def test_a_target_that_does_not_exist_is_refused_and_nothing_happens(grow, name, target):
    process = grow()
    process.advance("deepen_conv", STEM)
    before, numbers = process.state, weights(process)
    with pytest.raises(InvalidTransformation, match="choices"):
        process.advance(name, target)
    assert process.state is before
    assert same(weights(process), numbers)


def test_an_unknown_transformation_is_refused_with_a_near_one(grow):
    with pytest.raises(InvalidTransformation, match="'deepen_conv'"):
        grow().advance("depen_conv")


@pytest.mark.parametrize("family", FAMILIES)
def test_random_growth_fills_the_budget_and_never_exceeds_it(grow, family):
    on, space = problem_for(family), SearchSpace(max_blocks=6, max_width=16, start_width=4)
    first = grow(on, family=family, space=space).first_flops
    process = grow(on, family=family, space=space, flops_budget=int(3.5 * first), slices=12, slice_steps=1)
    for state in grow_at_random(process, 0, wish=lambda name: name.startswith(GROWING)):
        assert state.flops <= process.cost_budget
        assert state.receipt.output_change < 1e-4
    assert state.flops > 2 * first
    assert 0 < process.training_share < 1


@hypothesis.settings(max_examples=24)
@given(st.sampled_from(FAMILIES), st.integers(0, 10**6), st.floats(1, 6), st.sampled_from([0.0, 0.05, 1.0]))
def test_whatever_is_legal_keeps_the_child_within_its_bounds_and_something_always_is(
    family, seed, multiple, tolerance
):
    space = SearchSpace(max_blocks=5, max_width=16, max_kernel=5, max_links=2, start_width=4)
    config = GrowthConfig(family=family, **even(7, 1), batch_size=8, skill_tolerance=tolerance)
    on, optimizer = problem_for(family), OptimizerConfig()
    arguments = {"optimizer": optimizer, "space": space, "seed": seed % 5}
    first = GrowthProcess(on, config, budget=BudgetConfig(flops_budget=10**9), **arguments).first_flops
    budget = BudgetConfig(flops_budget=int(multiple * first))
    process = GrowthProcess(on, config, budget=budget, **arguments)
    spent = 0
    for state in grow_at_random(process, seed, wish=lambda name: name not in ("wait", "stop")):
        name, receipt = state.receipt.transformation, state.receipt
        assert process.choices()[0] == ("wait", None)
        assert len(set(process.choices())) == len(process.choices())
        assert process.fits
        assert cost(state.architecture).flops <= process.cost_budget
        assert space.allows(state.architecture)
        assert set(state.ages) == {position for position, _ in state.architecture}
        assert receipt.output_change < 1e-4 or not TRANSFORMATIONS[name].preserving
        assert not any(block.fading for _, block in state.architecture)
        if not receipt.rolled_back:
            assert set(state.statistics.blocks) == set(state.ages)
            assert receipt.flops_after == state.flops
        spent += 3 * receipt.flops_after * 8
        assert state.training_flops == spent


@pytest.mark.parametrize("seed", range(3))
def test_random_legal_growth_never_exceeds_the_memory_budget(grow, seed):
    first = grow().state.architecture
    budget = int(1.3 * training_bytes(first, 16))
    process = grow(memory_budget=budget, slices=8, slice_steps=1, seed=seed)
    free = grow(slices=8, slice_steps=1)
    assert Counter(free.choices()) > Counter(process.choices())
    for state in grow_at_random(process, seed, wish=lambda name: name not in ("wait", "stop")):
        assert training_bytes(state.architecture, 16) <= budget
    assert process.state.architecture != first


def test_whatever_is_a_target_and_within_the_bounds_is_legal_and_nothing_else(grow):
    process = grow(
        slices=20, slice_steps=1, flops_budget=200_000, space=SearchSpace(max_blocks=4, max_links=2)
    )

    def allowed(state, name, target):
        after = TRANSFORMATIONS[name].edit(state.architecture, target, process.space)
        inside = cost(after).flops <= process.cost_budget and process.space.allows(after)
        return name in ("wait", "stop") or (inside and after != state.architecture)

    for state in grow_at_random(process, 2, wish=lambda name: name != "stop"):
        assert set(process.choices()) == {
            (name, target)
            for name, transformation in TRANSFORMATIONS.items()
            for target in transformation.targets(state.architecture)
            if allowed(state, name, target) and (name, target) not in state.rejected
        }


def test_only_what_is_in_the_vocabulary_may_be_done_and_waiting(grow):
    process = grow(transformations=("deepen_separable", "widen_inner_x4"), flops_budget=10**8)
    assert set(dict(process.choices())) == {"wait", "deepen_separable"}
    with pytest.raises(InvalidTransformation, match="choices"):
        process.advance("deepen_conv", STEM)
    process.advance("deepen_separable", LATER)
    assert process.state.architecture.block(Position(1, 0)).kind == "separable"
    assert set(dict(process.choices())) == {"wait", "deepen_separable", "widen_inner_x4"}
    assert grow(transformations=("wait",)).choices() == (("wait", None),)


def test_a_vocabulary_with_an_unknown_word_is_refused_with_a_near_one(grow):
    with pytest.raises(InvalidConfig, match="'widen_stream_x2'"):
        grow(transformations=("stop", "widen_stream_x3"))


def test_new_units_by_gradmax_are_other_units_and_keep_the_function_too(grow):
    after = {}
    for how in ("he", "gradmax"):
        process = grow(new_units=how, slice_steps=1)
        process.advance("deepen_conv", STEM)
        state = process.advance("widen_inner_x2", START)
        assert state.receipt.output_change < 1e-4
        after[how] = weights(process)
    assert not same(*after.values())


@pytest.mark.parametrize(
    ("family", "kind", "able"),
    [
        ("cnn", "vector", "mlp"),
        ("rnn", "vector", "mlp"),
        ("transformer", "vector", "mlp"),
    ],
)
def test_a_family_that_cannot_read_the_task_says_which_can(grow, family, kind, able):
    with pytest.raises(InvalidArchitecture, match=f"`family` {able}$"):
        grow(problem(kind), family=family)


@pytest.mark.parametrize(
    ("kind", "family"), [("image", "cnn"), ("vector", "mlp"), ("sequence", "cnn"), ("tokens", "cnn")]
)
def test_where_no_family_is_named_it_follows_from_what_the_inputs_are(grow, kind, family):
    assert grow(problem(kind)).state.architecture.family == family


def test_an_unknown_family_is_refused_with_a_near_one(grow):
    with pytest.raises(InvalidArchitecture, match="'transformer'"):
        grow(family="transfomer")


def test_a_memory_budget_below_the_first_child_is_refused(grow):
    with pytest.raises(InvalidConfig, match="memory"):
        grow(memory_budget=1)


def test_a_flops_budget_below_the_first_child_is_refused_and_that_of_it_is_not(grow):
    first = grow().first_flops
    with pytest.raises(InvalidConfig, match=f"{first:,}"):
        grow(flops_budget=first - 1)
    process = grow(flops_budget=first)
    names = set(dict(process.choices()))
    assert {"wait", "stop", "narrow_stream_x0.5", "narrow_child_x0.5"} <= names
    assert not any(name.startswith(GROWING) for name in names)


def test_a_batch_larger_than_the_training_split_is_refused(grow, task):
    with pytest.raises(InvalidConfig, match=r"`batch_size`"):
        grow(batch_size=len(task.train) + 1)
    grow(batch_size=len(task.train)).advance("wait")


@pytest.mark.parametrize(
    "space", [SearchSpace(max_stages=1), SearchSpace(start_width=8, max_width=8)], ids=str
)
def test_a_search_space_without_the_first_child_is_refused(grow, space):
    """Digits begin with two stages of widths 8 and 16."""
    with pytest.raises(MseRlError):
        grow(space=space)


def test_a_task_is_enough_and_the_rest_is_as_apply_chooses_it():
    task = problem("vector")
    process = GrowthProcess(task)
    config = ApplyConfig(task=task.name, controller="wait", refit=False)
    applied = grown_by_apply(config, lambda: task, silent)
    assert process.config.training_flops == applied.config.training_flops
    assert process.config.batch_size == applied.config.batch_size == 16
    assert (process.config.slices, process.seed) == (10, applied.config.seed)
    assert process.space == applied.config.space != SearchSpace()
    assert process.first_architecture == applied.process.first_architecture
    assert process.bounds.budget.most == {"flops": 16 * process.first_flops}
    while not process.finished:
        process.advance("wait")
    assert process.state == applied.process.state


def test_the_last_slice_learns_from_the_validation_samples_as_well(grow):
    """Nothing before it differs, and it alone depends on their labels; skill stays what it was."""
    slices = 3
    task = problem("image")
    other = replace(task, validation=Split(task.validation.x, task.validation.y.roll(1)))
    runs = [
        GrowthProcess(of, GrowthConfig(batch_size=16, **even(slices, 6)), refit=refit)
        for of in (task, other)
        for refit in (False, True)
    ]
    for _ in range(slices - 1):
        for process in runs:
            assert not process.advance("wait").refit
    assert all(same(weights(runs[0]), weights(process)) for process in runs)
    before = [process.state for process in runs]
    after = [process.advance("wait") for process in runs]
    assert [state.refit for state in after] == [False, True] * 2
    assert [state.validation == old.validation for old, state in zip(before, after, strict=True)] == [
        False,
        True,
    ] * 2
    assert same(weights(runs[0]), weights(runs[2]))
    assert not same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[1]), weights(runs[3]))


def test_a_last_slice_that_may_be_taken_back_is_measured_and_so_is_an_only_one():
    def process(slices):
        return GrowthProcess(problem("image"), GrowthConfig(batch_size=16, **even(slices, 6)), refit=True)

    two = process(2)
    two.advance("wait")
    narrow = next(choice for choice in two.choices() if choice.name.startswith("narrow"))
    assert not two.advance(*narrow).refit
    assert not process(1).advance("wait").refit


def test_what_is_remembered_of_a_last_slice_is_not_taken_for_one_on_fewer_samples():
    cache = PrefixCache(1 << 26)
    config = GrowthConfig(batch_size=16, **even(2, 6))
    for refit in (True, False):
        process = GrowthProcess(problem("image"), config, cache=cache, refit=refit)
        states = play(process, [("wait", None)] * 2)
        assert [state.refit for state in states] == [False, False, refit]
        again = GrowthProcess(problem("image"), config, cache=cache, refit=refit)
        assert play(again, [("wait", None)] * 2) == states
        assert again.live.trained_slices == 0
        assert same(weights(again), weights(process))


def test_what_is_given_is_kept_where_the_rest_is_chosen():
    budget = BudgetConfig(params_budget=50_000)
    process = GrowthProcess(problem("vector"), GrowthConfig(batch_size=8, training_steps=30), budget=budget)
    assert process.schedule.total == 30
    assert process.bounds.budget.most == {"flops": 16 * process.first_flops, "params": 50_000}


def test_ages_count_the_slices_since_birth_and_follow_their_blocks(grow):
    process = grow(slices=6, skill_tolerance=1.0)
    process.advance("wait")
    assert process.state.ages == {}
    process.advance("deepen_conv", STEM)
    process.advance("deepen_conv", LATER)
    assert process.state.ages == {(0, 0): 2, (1, 0): 1}
    process.advance("deepen_separable", START)
    assert process.state.ages == {(0, 0): 3, (0, 1): 1, (1, 0): 2}
    process.advance("deepen_separable", STEM)
    assert process.state.ages == {(0, 0): 1, (0, 1): 4, (0, 2): 2, (1, 0): 3}
    process.advance("remove_block", Position(0, 1))
    assert process.state.ages == {(0, 0): 2, (0, 1): 3, (1, 0): 4}


def test_a_state_remembers_the_one_before_and_no_more(grow):
    process = grow()
    first = process.state
    process.advance("wait")
    assert process.state.previous == first
    second = process.state
    process.advance("wait")
    assert process.state.previous.training_loss == second.training_loss
    assert process.state.previous.previous is None


def test_children_learn(grow):
    """Guessing has skill 0; 120 steps on 160 digits are enough for much more."""
    process = grow(slices=4, slice_steps=30)
    states = play(process)
    assert states[0].validation.skill < 0.3
    assert states[-1].validation.skill > 0.6
    assert process.test().skill > 0.5
    assert states[-1].training_loss < states[1].training_loss


READS = {
    "cnn": ("image",),
    "mlp": ("image", "vector", "sequence"),
    "rnn": ("image", "sequence", "tokens"),
    "transformer": ("image", "sequence", "tokens"),
}


@pytest.mark.parametrize(("family", "kind"), [(family, kind) for family in READS for kind in READS[family]])
def test_children_of_every_family_learn_from_all_that_they_read_while_they_grow(grow, family, kind):
    # with seed 0 two children guess well before they have learnt anything
    process = grow(problem(kind), family=family, slices=7, slice_steps=20, seed=1)
    first = process.state.validation.skill
    process.advance("wait")
    process.advance("widen_stream_x2", STEM)
    process.advance(f"deepen_{FIRST_KINDS[family]}", STEM)
    process.advance(f"deepen_{FIRST_KINDS[family]}", START)
    process.advance("link", Link(START, Position(0, 1)))
    process.advance("widen_inner_x2", Position(0, 1))
    last = process.advance("wait")
    assert first < 0.4
    assert last.validation.skill > max(0.5, first + 0.4)
    assert process.test().skill > 0.5


@pytest.mark.parametrize("restored", [False, True])
def test_the_output_change_is_measured_on_the_first_validation_samples(grow, restored):
    process = grow()
    process.advance("wait")
    live, x = process.live, process.task.validation.x[:OUTPUT_CHANGE_SAMPLES]
    before = live.child.eval()(x).detach()
    name, target = next(c for c in process.choices() if not TRANSFORMATIONS[c[0]].preserving)
    if restored:
        live.restore(live.capture())
    receipt = live.transform_(name, target, process.state.statistics, slice_index=1)
    change = (live.child.eval()(x) - before).abs().max().item()
    assert receipt.output_change == pytest.approx(change, rel=1e-4)
    assert change > 1e-3


def test_the_test_split_is_not_looked_at_before_it_is_asked_for(grow, monkeypatch):
    looked = []
    for name in ("evaluate", "evaluate_with_logits"):
        measure = getattr(live_child, name)
        monkeypatch.setattr(
            live_child,
            name,
            lambda child, split, measure=measure, **kept: (
                looked.append(split) or measure(child, split, **kept)
            ),
        )
    process = grow()
    play(process)
    assert looked
    assert all(split is process.task.validation for split in looked)
    process.test()
    assert looked[-1] is process.task.test
