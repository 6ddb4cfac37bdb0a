"""Vectors: beside each value, how far it has come through each bin of its column."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.normalisation import MOST_BINS, MOST_INPUTS, ROWS_PER_BIN, Bins, fit_bins


def columns(*values):
    return torch.tensor(np.stack(values, axis=1), dtype=torch.float64)


def test_a_bin_is_zero_below_one_above_and_linear_between():
    x = torch.tensor([[-5.0], [0], [1], [2], [4], [9]])
    out = Bins(((0, 2, 6),))(x)
    assert torch.equal(out[:, 0], x[:, 0])
    assert out[:, 1].tolist() == [0, 0, 0.5, 1, 1, 1]
    assert out[:, 2].tolist() == [0, 0, 0, 0, 0.5, 1]


def test_bins_hold_equal_numbers_of_training_samples():
    rng = np.random.default_rng(0)
    (edges,) = fit_bins(columns(rng.lognormal(sigma=3, size=1_600))).edges
    assert len(edges) == MOST_BINS + 1
    counts, _ = np.histogram(np.random.default_rng(0).lognormal(sigma=3, size=1_600), edges)
    assert counts.min() >= 99
    assert counts.max() <= 101


@pytest.mark.parametrize(
    ("column", "edges"),
    [
        (np.full(400, 7.0), ()),
        (np.arange(400) % 2, ()),
        (np.r_[np.zeros(398), 1, 5], (0, 1, 5)),  # rare values have edges of their own
        (np.r_[np.zeros(380), np.arange(1, 21)], (0, 20)),
    ],
)
def test_columns_of_few_values_have_few_bins(column, edges):
    assert fit_bins(columns(column)).edges == (edges,)


def test_there_are_fewer_bins_with_few_rows_or_many_columns():
    rng = np.random.default_rng(0)
    for rows, features, bins in [
        (ROWS_PER_BIN * 5, 1, 5),
        (ROWS_PER_BIN + 1, 1, 0),
        (1_000, MOST_INPUTS // 4, 3),
        (1_000, MOST_INPUTS, 0),
    ]:
        x = torch.from_numpy(rng.normal(size=(rows, features)).astype(np.float32))
        fitted = fit_bins(x)
        assert {max(0, len(edges) - 1) for edges in fitted.edges} == {bins}
        assert fitted(x).shape == (rows, features * (1 + bins))


NUMBER = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, 1.0, 5e-324, 1e308])


@given(
    hnp.arrays(np.float64, 60, elements=NUMBER, fill=NUMBER),
    hnp.arrays(np.float64, 9, elements=NUMBER),
    st.booleans(),
)
def test_any_numbers_keep_their_order_and_give_numbers_from_0_to_1(seen, asked, wide):
    dtype = torch.float64 if wide else torch.float32
    seen, asked = (torch.from_numpy(np.sort(x)).clamp(-3e38, 3e38)[:, None].to(dtype) for x in (seen, asked))
    fitted = fit_bins(seen / 4)
    bins = fitted(asked)[:, 1:]
    assert bins.dtype == dtype
    assert ((bins >= 0) & (bins <= 1)).all()
    assert (bins.diff(dim=0) >= 0).all()
    again = Bins(tuple(map(tuple, json.loads(json.dumps(fitted.record()))["bins"])))
    assert again == fitted
    assert torch.equal(again(asked)[:, 1:], bins)


def test_inputs_can_be_made_again_by_what_the_task_keeps(tmp_path):
    rng = np.random.default_rng(0)
    x = np.c_[rng.standard_cauchy(400), rng.integers(3, size=400), np.full(400, 3), rng.normal(1e6, 1, 400)]
    y = np.arange(400) % 2
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:50], y_test=y[:50])
    task = load_task(f"npz:{tmp_path / 'a.npz'}", TaskConfig())
    made = Bins(tuple(map(tuple, task.encoding["bins"])))(torch.from_numpy(x[:50]))
    made = (made - torch.tensor(task.mean, dtype=made.dtype)) / torch.tensor(task.deviation)
    assert torch.allclose(made.float(), task.test.x, atol=1e-5)
    assert task.train.x.mean(0).abs().max() < 1e-3
    assert (task.train.x[:, 2] == 0).all()  # constant


def test_a_constant_column_has_no_bins_and_one_of_few_values_one_between_each(tmp_path):
    rows = [f"5,{i % 3},{'pq'[i // 3 % 2]}" for i in range(90)]
    (tmp_path / "a.csv").write_text("\n".join(["constant,few,y", *rows]))
    assert load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig()).encoding["bins"] == [[], [0, 1, 2]]
