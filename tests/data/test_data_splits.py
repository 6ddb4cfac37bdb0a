import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.data.split import apportion, hold_out_test, stratified_split


@st.composite
def draws(draw):
    sizes = np.array(draw(st.lists(st.integers(3, 40), min_size=1, max_size=12)))
    least, leave = draw(st.integers(0, 1)), draw(st.integers(0, 2))
    total = draw(st.integers(least * len(sizes), int(sizes.sum()) - leave * len(sizes)))
    return sizes, total, least, leave


@given(draws(), st.integers(0, 2**31))
def test_a_split_is_a_partition_with_exact_total_within_bounds(case, seed):
    sizes, total, least, leave = case
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)) * 7 - 3, sizes))
    drawn, rest = stratified_split(labels, total, rng=np.random.default_rng(seed), least=least, leave=leave)
    assert len(drawn) == total
    assert sorted([*drawn, *rest]) == list(range(len(labels)))
    for number, size in zip(np.arange(len(sizes)) * 7 - 3, sizes, strict=True):
        assert least <= np.count_nonzero(labels[drawn] == number) <= size - leave


@given(draws())
def test_each_class_gives_its_share_to_within_one_unless_bounded(case):
    sizes, total, least, leave = case
    counts = apportion(sizes, total, least=least, leave=leave)
    shares = total * sizes / sizes.sum()
    if ((shares >= least) & (shares <= sizes - leave)).all():
        assert (np.abs(counts - shares) < 1).all()


@given(draws(), st.integers(0, 2**31))
def test_the_same_generator_gives_the_same_rows_in_the_same_order(case, seed):
    sizes, total, least, leave = case
    labels = np.repeat(np.arange(len(sizes)), sizes)
    first, second = (
        stratified_split(labels, total, rng=np.random.default_rng(seed), least=least, leave=leave)
        for _ in range(2)
    )
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])


def test_another_seed_draws_other_rows_in_mixed_order():
    labels = np.repeat([0, 1], 50)
    a, _ = stratified_split(labels, 40, rng=np.random.default_rng(0))
    b, _ = stratified_split(labels, 40, rng=np.random.default_rng(1))
    assert set(a) != set(b)
    assert 0 < labels[a[:20]].sum() < 20  # a prefix holds both classes


@pytest.mark.parametrize("total", [1, 9])
def test_an_impossible_total_is_refused(total):
    with pytest.raises(ValueError, match=f"cannot draw {total}"):
        apportion(np.array([5, 5]), total, least=1, leave=1)


def test_the_test_split_holds_a_fifth_and_leaves_two_of_each_class():
    labels = np.repeat([0, 1, 2], [3, 40, 57])
    train, test = hold_out_test(labels)
    assert len(test) == 20
    assert np.bincount(labels[test]).tolist() == [1, 8, 11]
    assert (np.diff(test) > 0).all()
    assert np.bincount(labels[train]).min() == 2
    train, _ = hold_out_test(labels, fraction=0.7)  # a share of the smallest class would leave one
    assert np.bincount(labels[train]).min() == 2
