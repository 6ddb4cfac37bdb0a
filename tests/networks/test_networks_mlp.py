"""A bag of words: a mean of vectors in which frequent words do not drown the others."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.networks.mlp import Bag, occurrences

WORDS = st.integers(2, 6)


@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=1)))
def test_occurrences_are_counted_in_each_row(rows):
    expected = [[row.count(word) for word in row] for row in rows]
    assert occurrences(torch.tensor(rows)).tolist() == expected


@given(st.lists(WORDS, min_size=1, max_size=9), st.integers(0, 3))
def test_a_word_that_occurs_c_times_weighs_one_and_log_c_and_padding_nothing(words, padding):
    bag = Bag(1, 7)
    with torch.no_grad():
        bag.weight.copy_(torch.arange(7.0).reshape(bag.weight.shape))
    ids = torch.tensor([words + [0] * padding])
    weights = {word: 1 + log(words.count(word)) for word in words}
    mean = sum(word * weight for word, weight in weights.items()) / sum(weights.values())
    assert bag(ids, (ids > 0).unsqueeze(-1)).item() == pytest.approx(mean, rel=1e-5)
