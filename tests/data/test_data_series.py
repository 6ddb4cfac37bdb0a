"""Sequences: values whatever their size, and the shape of each sample by itself."""

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.normalisation import SeriesScaling, fit_series
from mse_rl.errors import InvalidTask

RNG = np.random.default_rng(0)
WAVE = np.sin(np.linspace(0, 6, 24))[:, None]


def waves(n=60, dtype=torch.float64):
    """Return noisy waves (n, 24, 1) with amplitudes of five decades, far from 0."""
    noisy = WAVE + 0.1 * RNG.normal(size=(n, 24, 1))
    return torch.from_numpy(50 + noisy * 10 ** RNG.uniform(-2.5, 2.5, (n, 1, 1))).to(dtype)


def test_shapes_are_of_mean_0_and_deviation_1_whatever_the_amplitude():
    x = waves()
    features = fit_series(x)(x)
    assert features.shape == (60, 24, 2)
    shapes = features[..., 1]
    assert torch.allclose(shapes.mean(1), torch.zeros(60, dtype=torch.float64), atol=1e-9)
    assert torch.allclose(shapes.std(1, correction=0), torch.ones(60, dtype=torch.float64))


def test_values_keep_their_order_and_stay_small():
    x = waves()
    values = fit_series(x)(x)[..., 0].flatten()
    assert (values[x.flatten().argsort()].diff() >= 0).all()
    assert values.abs().max() < 20


def test_samples_of_one_scale_have_no_second_features():
    x = waves()
    scaling = fit_series(x)
    alike = scaling(x)[..., 1:]
    assert not fit_series(alike).shapes
    assert fit_series(alike)(alike).shape == alike.shape
    assert not fit_series(torch.ones(9, 5, 1) * torch.arange(9)[:, None, None]).shapes  # all are constant
    assert not fit_series(waves()[:, :1]).shapes  # one step


def test_padding_teaches_nothing_and_stays():
    x = waves()
    longer = torch.cat([x, torch.full((60, 5, 1), torch.nan, dtype=x.dtype)], dim=1)
    assert fit_series(longer) == fit_series(x)
    features = fit_series(x)(longer)
    assert features[:, 24:].isnan().all()
    assert torch.equal(features[:, :24], fit_series(x)(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_sample_has_no_shape_and_a_feature_of_mostly_zeros_is_finite(dtype):
    x = waves(dtype=dtype)
    x[0] = 0.1
    assert (fit_series(x)(x)[0, :, 1] == 0).all()
    sparse = torch.zeros(60, 24, 1, dtype=dtype)
    sparse[3, 5] = 1e6
    assert fit_series(sparse)(sparse).isfinite().all()


NUMBER = st.floats(-1e300, 1e300) | st.sampled_from([0.0, 1.0, 5e-324, -1e300])


@given(hnp.arrays(np.float64, (4, 3, 2), elements=NUMBER, fill=NUMBER))
def test_any_numbers_have_finite_features_that_can_be_made_again(x):
    x = torch.from_numpy(x)
    scaling = fit_series(x)
    features = scaling(x)
    assert not features.isnan().any()
    assert features[..., 2:].isfinite().all()
    record = json.loads(json.dumps(scaling.record()))["series"]
    again = SeriesScaling(tuple(record["middle"]), tuple(record["spread"]), record["shapes"])
    assert again == scaling
    assert torch.equal(again(x), features)


def load(folder, x_train, x_test=None):
    y = np.arange(len(x_train)) % 3
    x_test = x_train[:9] if x_test is None else x_test
    np.savez(folder / "a.npz", x_train=x_train, y_train=y, x_test=x_test, y_test=y[: len(x_test)])
    return load_task(f"npz:{folder / 'a.npz'}", TaskConfig())


def test_inputs_can_be_made_again_by_what_the_task_keeps(tmp_path):
    x = waves().numpy()
    task = load(tmp_path, x)
    record = task.encoding["series"]
    scaling = SeriesScaling(tuple(record["middle"]), tuple(record["spread"]), record["shapes"])
    made = (scaling(torch.from_numpy(x[:9])) - torch.tensor(task.mean)) / torch.tensor(task.deviation)
    assert torch.allclose(made.float(), task.test.x, atol=1e-5)


@pytest.mark.parametrize("x", [np.full((30, 5, 2), 3.0), RNG.normal(size=(30, 1, 2))])
def test_constant_series_and_series_of_one_step_are_read(tmp_path, x):
    task = load(tmp_path, x)
    assert task.input_shape == x.shape[1:]
    assert task.train.x.isfinite().all()


def loaded(folder, x_train, x_test):
    """Return the task, or the message with which it is refused."""
    try:
        return load(folder, x_train, x_test)
    except InvalidTask as error:
        return str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hnp.arrays(np.float64, (12, 4, 2), elements=st.floats(allow_nan=False, allow_infinity=False)))
def test_any_finite_series_make_a_finite_task_or_one_line(tmp_path, x):
    task = loaded(tmp_path, x, np.ones((3, 4, 2)))
    if isinstance(task, str):
        assert len(task.splitlines()) == 1
    else:
        assert not any(split.x.isinf().any() for split in (task.train, task.validation, task.test))
