"""Order of data, learning rate, cache: what a child's training follows from."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.config.training import OptimizerConfig
from mse_rl.growth.cache import PrefixCache
from mse_rl.networks import build_child
from mse_rl.spec import FAMILIES, SearchSpace, starting_architecture
from mse_rl.spec.architecture import Inputs
from mse_rl.training import BatchOrder, learning_rate, make_optimizer
from mse_rl.training.optimizer import TABLE_RATE
from mse_rl.training.slice import AUGMENTATION, INITIAL_WEIGHTS, ORDER, generator


@given(samples=st.integers(1, 60), share=st.floats(0.01, 1), seed=st.integers(0, 2**31))
def test_an_epoch_gives_every_sample_at_most_once_and_drops_less_than_a_batch(samples, share, seed):
    size = max(1, int(samples * share))
    order = BatchOrder(samples, size, seed=seed, device="cpu")
    batches = samples // size
    for epoch in range(3):
        given_out = torch.cat([order.batch(step) for step in range(epoch * batches, (epoch + 1) * batches)])
        assert len(given_out) == batches * size > samples - size
        assert len(given_out.unique()) == len(given_out)
        assert given_out.min() >= 0
        assert given_out.max() < samples


@given(steps=st.lists(st.integers(0, 40), min_size=1), seed=st.integers(0, 5))
def test_a_batch_is_a_function_of_seed_and_step_whatever_was_asked_before(steps, seed):
    used = BatchOrder(23, 5, seed=seed, device="cpu")
    for step in steps:
        assert torch.equal(used.batch(step), BatchOrder(23, 5, seed=seed, device="cpu").batch(step))


def test_epochs_and_seeds_have_their_own_orders():
    def epoch(seed, number):
        order = BatchOrder(50, 10, seed=seed, device="cpu")
        return torch.cat([order.batch(5 * number + i) for i in range(5)]).tolist()

    assert len({tuple(epoch(seed, number)) for seed in range(3) for number in range(3)}) == 9
    assert sorted(epoch(0, 0)) == list(range(50))


def test_every_purpose_and_moment_has_random_numbers_of_its_own():
    """The first child is drawn at (INITIAL_WEIGHTS,), what is born in slice n at (INITIAL_WEIGHTS, n + 1)."""
    paths = [
        (INITIAL_WEIGHTS,),
        *((INITIAL_WEIGHTS, n) for n in (1, 2)),
        *((p, n) for p in (ORDER, AUGMENTATION) for n in range(3)),
    ]
    draws = {
        torch.rand(1, generator=generator("cpu", seed, *path)).item() for seed in (0, 1) for path in paths
    }
    assert len(draws) == 2 * len(paths)


@given(
    hold=st.floats(0.05, 1),
    peak=st.floats(1e-4, 10),
    shares=st.lists(st.floats(0, 1), min_size=2),
    step=st.floats(0, 0.02),
)
def test_the_learning_rate_rises_shortly_stays_then_falls_to_zero(hold, peak, shares, step):
    config = OptimizerConfig("sgd", learning_rate=peak, learning_rate_hold=hold)

    def rate(share):
        return learning_rate(share, step, config)

    for before, after in pairwise(sorted(shares)):
        if after < hold:
            assert rate(before) <= rate(after) <= peak
        elif before >= hold:
            assert 0 <= rate(after) <= rate(before) <= peak
    assert rate(max(0.0, 0.05 - step)) == rate(0.999 * hold) == pytest.approx(peak) or hold < 0.06
    assert rate(0.0) == pytest.approx(peak * step / 0.05)
    assert rate(1.0) == rate(1.5) == 0


def test_the_learning_rate_by_hand():
    config = OptimizerConfig("sgd", learning_rate=2.0, learning_rate_hold=0.6)
    shares = {0.0: 0.4, 0.01: 0.8, 0.04: 2.0, 0.3: 2.0, 0.59: 2.0, 0.6: 2.0, 0.7: 1.5, 0.9: 0.5, 1.0: 0.0}
    found = {share: learning_rate(share, 0.01, config) for share in shares}
    assert found == pytest.approx(shares)


def test_where_there_is_no_fall_the_rate_stays_and_where_it_begins_at_once_it_never_peaks():
    never = OptimizerConfig("sgd", learning_rate=1.0, learning_rate_hold=1.0)
    assert [learning_rate(share, 0.05, never) for share in (0.0, 0.5, 0.999, 1.0)] == [1, 1, 1, 0]
    at_once = OptimizerConfig("sgd", learning_rate=1.0, learning_rate_hold=0.0)
    assert [learning_rate(share, 0.05, at_once) for share in (0.0, 0.5, 0.75)] == [1, 0.5, 0.25]


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_decay_and_vectors_do_not(name, family):
    first = starting_architecture(family, Inputs((1, 8, 8), 0, 3), SearchSpace())
    child = build_child(first, generator=generator("cpu", 0))
    optimizer = make_optimizer(child, OptimizerConfig(name, learning_rate=0.5, weight_decay=0.1))
    before = {n: p.detach().clone() for n, p in child.named_parameters()}
    roles = child.roles()
    for parameter in child.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter_name, parameter in child.named_parameters():
        # a first Nesterov step adds the momentum: 1 + 0.9 times the decay
        factor = 0.5 * 0.1 * (1.9 if name == "sgd" else 1) if parameter.dim() > 1 else 0
        if name == "muon" and roles[parameter] == "table":
            factor *= TABLE_RATE
        torch.testing.assert_close(parameter.detach(), (1 - factor) * before[parameter_name])


class Entry:
    def __init__(self, size):
        self.size_bytes = size


def test_the_cache_is_bounded_and_forgets_the_least_recently_used():
    cache = PrefixCache(30)
    for key in "abc":
        cache.put(key, Entry(10))
    assert cache.get("a") is not None
    cache.put("d", Entry(10))
    assert {key: cache.get(key) is not None for key in "abcd"} == {
        "a": True,
        "b": False,
        "c": True,
        "d": True,
    }
    assert (cache.hits, cache.misses) == (4, 1)
    assert cache.size_bytes == 30


@given(
    capacity=st.integers(0, 40),
    uses=st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(1, 15)), max_size=40),
)
def test_the_cache_is_the_map_of_its_most_recent_entries(capacity, uses):
    cache, recent, kept = PrefixCache(capacity), [], {}
    for puts, key, size in uses:
        if puts:
            kept[key] = entry = Entry(size)
            cache.put(key, entry)
        else:
            assert cache.get(key) is kept.get(key)
        if key in kept:
            recent = [other for other in recent if other != key] + [key]
        while sum(entry.size_bytes for entry in kept.values()) > capacity:
            del kept[recent.pop(0)]
        assert cache.size_bytes == sum(entry.size_bytes for entry in kept.values()) <= capacity
    assert cache.hits + cache.misses == sum(not puts for puts, _, _ in uses)
