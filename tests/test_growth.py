"""The loop of the method, on 200 digits."""

from collections import Counter

import numpy as np
import pytest
import torch

from mse_rl import growth
from mse_rl.architecture import Position
from mse_rl.config import OptimizerConfig
from mse_rl.cost import cost, training_bytes, training_flops
from mse_rl.errors import InvalidConfig, InvalidTransformation, MseRlError
from mse_rl.networks import build_child
from mse_rl.search_space import SearchSpace, starting_architecture
from mse_rl.training import TrajectoryCache

PATH = [
    ("widen_inner_x2", Position(0, 0)),
    ("deepen", Position(1, 0)),
    ("widen_stream_x1.5", Position(0, 0)),
    ("stop", None),
]
SGD, ADAMW = OptimizerConfig("sgd"), OptimizerConfig("adamw")


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


@pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_the_same_seed_gives_the_same_numbers_bit_for_bit(grow, optimizer):
    first, second = (grow(optimizer=optimizer) for _ in range(2))
    assert play(first) == play(second)
    assert same(weights(first), weights(second))


def test_another_seed_gives_other_numbers(grow):
    assert grow(seed=0).state.validation.loss != grow(seed=1).state.validation.loss


def test_the_global_generator_is_never_touched(grow):
    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state()
    process = grow(cache=TrajectoryCache(1 << 24))
    play(process)
    play(grow(cache=process._cache))
    process.test()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("optimizer", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_with_the_cache_everything_is_what_it_is_without(grow, optimizer):
    plain = grow(optimizer=optimizer)
    expected = play(plain)
    cache = TrajectoryCache(1 << 26)
    for hits in (0, 5):
        process = grow(optimizer=optimizer, cache=cache)
        assert play(process) == expected
        assert cache.hits == hits
        assert same(weights(process), weights(plain))


def test_training_goes_on_from_a_restored_prefix_as_if_it_had_not_been_interrupted(grow):
    plain, cache = grow(), TrajectoryCache(1 << 26)
    expected = play(plain)
    play(grow(cache=cache), [*PATH[:2], ("wait", None)])
    branch = grow(cache=cache)
    assert play(branch) == expected
    assert cache.hits == 3  # the beginning and two decisions
    assert same(weights(branch), weights(plain))


def test_a_cache_is_not_shared_by_what_would_train_differently(grow):
    cache = TrajectoryCache(1 << 26)
    for settings in ({}, {"seed": 1}, {"optimizer": ADAMW}, {"slice_steps": 2}, {"batch_size": 8}):
        play(grow(cache=cache, **settings), PATH[:1])
    assert cache.hits == 0


def test_a_cache_is_shared_by_budgets_for_they_only_bound_decisions(grow):
    cache = TrajectoryCache(1 << 26)
    play(grow(cache=cache))
    play(grow(cache=cache, flops_budget=2_000_000))
    assert cache.hits == 5


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("deepen", None),
        ("deepen", Position(0, 1)),
        ("deepen", Position(2, 0)),
        ("wait", Position(0, 0)),
        ("stop", Position(0, 0)),
    ],
)
def test_a_target_that_does_not_exist_is_refused_and_nothing_happens(grow, name, target):
    process = grow()
    before, numbers = process.state, weights(process)
    with pytest.raises(InvalidTransformation, match="choices"):
        process.advance(name, target)
    assert process.state is before
    assert same(weights(process), numbers)


def test_an_unknown_transformation_is_refused_with_a_near_one(grow):
    with pytest.raises(InvalidTransformation, match="'deepen'"):
        grow().advance("depen")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", ["cnn", "mlp"])
def test_random_legal_growth_never_exceeds_a_budget_or_a_bound(grow, family, seed):
    space = SearchSpace(max_blocks=5, max_width=16, start_width=4)
    first = grow(family=family, space=space).first_flops
    process = grow(
        family=family, space=space, flops_budget=int(3.5 * first), slices=12, slice_steps=1, seed=seed
    )
    spent = 0
    for state in grow_at_random(process, seed, wish=lambda name: name not in ("wait", "stop")):
        assert cost(state.architecture).flops <= process.flops_budget
        assert space.allows(state.architecture)
        assert state.receipt.deviation < 1e-4
        assert set(state.ages) == set(state.blocks) == {position for position, _ in state.architecture}
        spent += training_flops(state.architecture, 16)
        assert state.training_flops == spent
    assert process.state.flops > 2 * first
    assert 0 < process.training_share < 1


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


def test_a_memory_budget_below_the_first_child_is_refused(grow):
    with pytest.raises(InvalidConfig, match="memory"):
        grow(memory_budget=1)


def test_a_flops_budget_below_the_first_child_is_refused_and_that_of_it_is_not(grow):
    first = grow().first_flops
    with pytest.raises(InvalidConfig, match=f"{first:,}"):
        grow(flops_budget=first - 1)
    assert set(dict(grow(flops_budget=first).choices())) == {"wait", "stop"}


def test_a_batch_larger_than_the_training_split_is_refused(grow, task):
    with pytest.raises(InvalidConfig, match=r"--batch-size"):
        grow(batch_size=len(task.train) + 1)
    grow(batch_size=len(task.train)).advance("wait")


@pytest.mark.parametrize(
    "space", [SearchSpace(max_blocks=1), SearchSpace(start_width=8, max_width=8)], ids=str
)
def test_a_search_space_without_the_first_child_is_refused(grow, space):
    """Digits begin with two stages of widths 8 and 16."""
    with pytest.raises(MseRlError):
        grow(space=space)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("family", ["cnn", "mlp"])
def test_growth_from_a_child_begins_with_its_outputs_and_leaves_it_alone(grow, task, family, cached):
    donor = grow(family=family)
    donor.advance("deepen", Position(0, 0))
    init = donor.child.eval()
    numbers = weights(donor)
    process = grow(family=family, init=init, cache=TrajectoryCache(1 << 24) if cached else None)
    assert process.state.architecture == init.architecture
    assert process.state.validation == donor.state.validation
    assert process.first_flops == donor.state.flops
    assert process.state.slice_index == 0
    assert set(process.state.ages.values()) == {0}
    with torch.no_grad():
        assert torch.equal(process.child.eval()(task.test.x), init.eval()(task.test.x))
    process.advance("widen_inner_x2", Position(0, 0))
    assert same(weights(donor), numbers)
    assert not same(weights(process), numbers)


def test_a_child_of_another_family_is_refused(grow):
    with pytest.raises(InvalidConfig, match="--family mlp"):
        grow(init=grow(family="mlp").child)


def test_a_child_of_another_task_is_refused(grow, task):
    stranger = starting_architecture("cnn", (1, 8, 8), task.classes + 1, SearchSpace())
    child = build_child(stranger, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InvalidConfig, match="same kind of task"):
        grow(init=child)


def test_ages_count_the_slices_since_birth_and_follow_their_blocks(grow):
    process = grow()
    process.advance("wait")
    process.advance("deepen", Position(0, 0))
    assert process.state.ages == {(0, 0): 2, (0, 1): 1, (1, 0): 2}
    process.advance("deepen", Position(0, 0))
    assert process.state.ages == {(0, 0): 3, (0, 1): 1, (0, 2): 2, (1, 0): 3}


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


def test_the_test_split_is_not_looked_at_before_it_is_asked_for(grow, monkeypatch):
    looked = []
    measure = growth.evaluate
    monkeypatch.setattr(
        growth, "evaluate", lambda child, split: looked.append(split) or measure(child, split)
    )
    process = grow()
    play(process)
    assert all(split is process.task.validation for split in looked)
    process.test()
    assert looked[-1] is process.task.test
