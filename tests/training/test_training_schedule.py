"""Order of data, learning rate, cache: what a child's training follows from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.config import OptimizerConfig
from mse_rl.families import FAMILIES, Inputs
from mse_rl.networks import build_child
from mse_rl.search_space import SearchSpace, starting_architecture
from mse_rl.training import BatchOrder, TrajectoryCache, learning_rate, make_optimizer
from mse_rl.training.randomness import AUGMENTATION, BIRTH, ORDER, generator


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
    """The first child is drawn at (BIRTH,), what is born in slice n at (BIRTH, n + 1)."""
    paths = [
        (BIRTH,),
        *((BIRTH, n) for n in (1, 2)),
        *((p, n) for p in (ORDER, AUGMENTATION) for n in range(3)),
    ]
    draws = {
        torch.rand(1, generator=generator("cpu", seed, *path)).item() for seed in (0, 1) for path in paths
    }
    assert len(draws) == 2 * len(paths)


@given(total=st.integers(40, 2000), floor=st.floats(0, 1), peak=st.floats(1e-4, 10))
def test_the_learning_rate_rises_shortly_then_falls_to_the_floor(total, floor, peak):
    config = OptimizerConfig(learning_rate=peak, learning_rate_floor=floor)
    rates = [learning_rate(step, total, config) for step in range(total + 1)]
    top = max(range(total + 1), key=rates.__getitem__)
    assert 0.98 * peak <= rates[top] <= peak
    assert top <= 0.05 * total + 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(floor * peak)
    assert rates[0] <= peak * 21 / total


def test_the_learning_rate_of_half_the_schedule_by_hand():
    config = OptimizerConfig(learning_rate=1.0, learning_rate_floor=0.2)
    assert learning_rate(50, 100, config) == pytest.approx(0.2 + 0.8 / 2)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
@pytest.mark.parametrize("family", FAMILIES)
def test_weights_decay_and_vectors_do_not(name, family):
    first = starting_architecture(family, Inputs((1, 8, 8), 0, 3), SearchSpace())
    child = build_child(first, generator=generator("cpu", 0))
    optimizer = make_optimizer(child, OptimizerConfig(name, learning_rate=0.5, weight_decay=0.1))
    before = {n: p.detach().clone() for n, p in child.named_parameters()}
    for parameter in child.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for parameter_name, parameter in child.named_parameters():
        # a first Nesterov step adds the momentum: 1 + 0.9 times the decay
        factor = 1 - 0.5 * 0.1 * (1.9 if name == "sgd" else 1) if parameter.dim() > 1 else 1
        torch.testing.assert_close(parameter.detach(), factor * before[parameter_name])


class Entry:
    def __init__(self, size):
        self.size_bytes = size


def test_the_cache_is_bounded_and_forgets_the_least_recently_used():
    cache = TrajectoryCache(30)
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
    cache, recent, kept = TrajectoryCache(capacity), [], {}
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
