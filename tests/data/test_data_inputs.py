"""What the arrays of an npz file are read as: images, vectors, sequences or tokens."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.errors import InvalidTask
from mse_rl.spec.architecture import PADDING, UNKNOWN

RNG = np.random.default_rng(0)
FIXTURE_IS_FINE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(path, x_train, x_test):
    labels = {"y_train": np.arange(len(x_train)) % 3, "y_test": np.arange(len(x_test)) % 3}
    np.savez(path, x_train=x_train, x_test=x_test, **labels)
    return f"npz:{path}"


def load(folder, x_train, x_test=None, **settings):
    """Return the task and what the user is told."""
    lines = []
    name = write(folder / "a.npz", x_train, x_train[:9] if x_test is None else x_test)
    task = load_task(name, TaskConfig(**settings), log=lines.append)
    return task, [line.removeprefix(f"{name}: ") for line in lines]


def refused(folder, x_train, x_test=None, **settings):
    with pytest.raises(InvalidTask) as caught:
        load(folder, x_train, x_test, **settings)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def ids(n=30, steps=6, largest=20, dtype=np.int64):
    return RNG.integers(1, largest + 1, (n, steps)).astype(dtype)


@pytest.mark.parametrize(
    ("x", "kind", "note"),
    [
        (RNG.normal(size=(30, 5)), "vector", None),
        (ids(dtype=np.float32), "vector", None),
        (ids(dtype=np.uint8), "vector", None),
        (ids() > 10, "vector", None),
        (ids() - 5, "vector", None),
        (ids() + 100_000, "vector", None),
        (ids(), "tokens", "read as token ids, of which 0 is padding: set input to vector to read numbers"),
        (ids(dtype=np.uint16), "tokens", "read as token ids, of which 0 is padding"),
        (ids() + 99_979, "tokens", "read as token ids"),
        (RNG.integers(-3, 9, (30, 5, 4)), "image", None),
        (RNG.integers(0, 9, (30, 5, 4)) > 4, "image", None),
        (
            RNG.normal(size=(30, 5, 4)).astype(np.float16),
            "sequence",
            "read as sequences of 5 steps and 4 features: set input to image to read grey images",
        ),
        (RNG.normal(size=(30, 3, 5, 4)), "image", None),
    ],
)
def test_shape_and_dtype_tell_what_inputs_are_and_a_note_says_what_else_they_could_be(
    tmp_path, x, kind, note
):
    task, lines = load(tmp_path, x)
    assert task.kind == kind
    assert len(lines) == (note is not None)
    assert all(note in line for line in lines)


def test_negative_test_values_are_no_ids(tmp_path):
    assert load(tmp_path, ids(), ids(9) - 10)[0].kind == "vector"


@pytest.mark.parametrize(
    ("x", "setting", "shape"),
    [
        (RNG.normal(size=(30, 5, 4)), "image", (1, 5, 4)),
        (RNG.integers(0, 255, (30, 5, 4)), "sequence", (5, 8)),
        (ids(), "vector", (6,)),
        (ids(dtype=np.uint8), "tokens", (6,)),
        (ids(dtype=np.float64), "tokens", (6,)),
        (ids(dtype=np.float16), "tokens", (6,)),
        (ids() > 10, "tokens", (6,)),
    ],
)
def test_the_config_says_what_inputs_are_and_then_nothing_is_said(tmp_path, x, setting, shape):
    task, lines = load(tmp_path, x, input=setting)
    assert (task.kind, task.input_shape) == (setting, shape)
    assert lines == []


@pytest.mark.parametrize(
    ("x", "setting", "words"),
    [
        (RNG.normal(size=(30, 5)), "tokens", ["token ids in x_train, whole numbers", "set input to vector"]),
        (ids() - 10, "tokens", ["token ids in x_train, whole numbers from 0 on"]),
        (ids() * 50_000, "tokens", ["token ids below 100,000"]),
        (np.full((30, 5), np.nan), "tokens", ["150 others", "nan"]),
        (np.full((30, 5), np.inf), "tokens", ["150 others", "inf"]),
        (np.ones((30, 5, 4)), "tokens", ["(n, tokens)", "(30, 5, 4)"]),
        (np.ones((30, 5)), "sequence", ["(n, steps, features)", "(30, 5)"]),
        (np.ones((30, 5, 4, 3)), "sequence", ["(n, steps, features)", "(30, 5, 4, 3)"]),
        (np.ones((30, 5, 4)), "vector", ["(n, features)", "(30, 5, 4)"]),
        (np.ones((30, 5)), "image", ["images x_train", "(30, 5)"]),
        (np.ones((30, 0), int), "tokens", ["got none"]),
        (np.ones((30, 0, 3)), "auto", ["got none"]),
        (np.full((30, 5), "a"), "tokens", ["numbers in x_train", "<U1"]),
        (np.full((30, 5, 2), "a"), "sequence", ["numbers in x_train", "<U1"]),
        (np.full((30, 5), 1j), "tokens", ["numbers in x_train", "complex"]),
    ],
)
def test_what_contradicts_the_config_is_refused(tmp_path, x, setting, words):
    message = refused(tmp_path, x, input=setting)
    for word in words:
        assert word in message


def test_ids_of_the_test_split_are_checked_too(tmp_path):
    assert "token ids in x_test" in refused(tmp_path, ids(), np.full((9, 6), 0.5), input="tokens")
    assert "x_test of shape (n, tokens)" in refused(tmp_path, ids(), np.ones((9, 6, 2)), input="tokens")


def test_zero_stays_padding_and_words_move_by_one(tmp_path):
    x = np.tile([3, 1, 2, 0], (30, 1))
    task, _ = load(tmp_path, x, np.array([[1, 2, 3, 4], [0, 0, 0, 0], [4, 3, 0, 0]]))
    assert (task.vocabulary, task.train.x.dtype) == (5, torch.int64)
    assert (task.train.x == torch.tensor([4, 2, 3, PADDING])).all()
    assert task.test.x.tolist() == [[2, 3, 4, UNKNOWN], [UNKNOWN, 0, 0, 0], [UNKNOWN, 4, 0, 0]]
    assert task.encoding == {"reads": "ids", "largest": 3, "length": 4}
    assert (task.mean, task.deviation) == ((), ())


def test_what_is_unknown_is_told_by_the_training_rows_alone(tmp_path):
    x = np.tile(np.arange(1, 31)[:, None], (1, 4))  # each row has a word of its own
    task, _ = load(tmp_path, x)
    assert task.train.x.max() == task.vocabulary - 1 == task.encoding["largest"] + 1
    largest = int(task.train.x.max())
    expected = [row if row <= largest else UNKNOWN for row in range(2, 11)]
    assert task.test.x[:, 0].tolist() == expected


def test_ids_of_other_lengths_are_cut_and_padded_to_those_of_train(tmp_path):
    longer, _ = load(tmp_path, ids(steps=4, largest=5), np.full((9, 7), 5))
    assert longer.test.x.shape == (9, 4)
    shorter, _ = load(tmp_path, ids(steps=4, largest=5), np.full((9, 2), 5))
    assert (shorter.test.x == torch.tensor([6, 6, PADDING, PADDING])).all()


@FIXTURE_IS_FINE
@given(hnp.arrays(st.sampled_from([np.int64, np.uint64, np.uint8]), (9, 5), elements=st.integers(0, 255)))
def test_encoded_ids_stay_in_the_vocabulary_and_test_rows_do_not_change_it(tmp_path, x_test):
    x_train = np.random.default_rng(0).integers(1, 100, (30, 5))
    task, _ = load(tmp_path, x_train, x_test, input="tokens")
    for split in (task.train, task.validation, task.test):
        assert 0 <= split.x.min() <= split.x.max() < task.vocabulary
        assert (split.x[:, 0] != PADDING).any()
    assert task.encoding == load(tmp_path, x_train, input="tokens")[0].encoding


def test_the_largest_ids_there_are_become_unknown(tmp_path):
    task, _ = load(tmp_path, ids(), np.full((9, 6), np.iinfo(np.uint64).max), input="tokens")
    assert (task.test.x == UNKNOWN).all()


def original(task, x):
    """Return the values (n, T, 2) of a task's inputs, encoding and normalisation undone."""
    x = x.double() * torch.tensor(task.deviation) + torch.tensor(task.mean)
    scaling = task.encoding["series"]
    return x[..., :2].sinh() * torch.tensor(scaling["spread"]) + torch.tensor(scaling["middle"])


def padded(fill, n=60, steps=8, dtype=np.float32):
    """Return sequences of 3 to 7 steps, and where they end."""
    rng = np.random.default_rng(1)
    x, lengths = rng.normal(5, 3, (n, steps, 2)).astype(dtype), rng.integers(3, 8, n)
    x[np.arange(steps) >= lengths[:, None]] = fill
    return x, lengths


@pytest.mark.parametrize("fill", [0, np.nan])
def test_padding_does_not_enter_the_statistics_and_is_nan_afterwards(tmp_path, fill):
    x, lengths = padded(fill)
    task, lines = load(tmp_path, x, x)
    filled = torch.from_numpy(np.arange(8) < lengths[:, None])
    assert torch.equal(task.test.x.isfinite(), filled.unsqueeze(2).expand(-1, -1, 4))
    train = task.train.x[task.train.x.isfinite().all(2)]
    assert torch.allclose(train.mean(0), torch.zeros(4), atol=1e-5)
    assert torch.allclose(train.std(0, correction=0), torch.ones(4), atol=1e-5)
    assert (len(task.mean), len(task.deviation)) == (4, 4)
    told = "steps of zeros at the end of a sequence are read as padding"
    assert (told in lines) == (fill == 0)
    values = original(task, task.test.x)[filled]
    assert torch.allclose(values, torch.from_numpy(x).double()[filled], atol=1e-4)


def test_zeros_are_values_where_they_also_stand_inside(tmp_path):
    x, _ = padded(0)
    x[5, 1] = 0
    task, lines = load(tmp_path, x)
    assert len(lines) == 1
    flat = task.train.x.flatten(0, 1)
    assert torch.allclose(flat.mean(0), torch.zeros(4), atol=1e-5)
    assert (task.test.x != 0).all()


def test_a_sequence_of_nothing_but_zeros_keeps_its_first_step(tmp_path):
    x, _ = padded(0)
    x[:9] = 0
    task, _ = load(tmp_path, x)
    assert task.test.x[:, 0].isfinite().all()
    assert task.test.x[:, 1:].isnan().all()


@pytest.mark.parametrize("place", [(3, 0, 0), (3, 1), (3, 0), 3])
def test_missing_values_elsewhere_are_refused(tmp_path, place):
    x, _ = padded(np.nan)
    x[place] = np.nan
    assert "NaN or infinite" in refused(tmp_path, x)


def test_integers_are_padded_too(tmp_path):
    x = np.tile(np.array([[9], [7], [8], [0]]), (30, 1, 1))
    x[0, 0] = 5
    task, _ = load(tmp_path, x, input="sequence")
    assert task.test.x[:, 3].isnan().all()
    assert task.encoding["series"]["middle"] == [8]


@pytest.mark.parametrize("steps", [2, 5, 9])
def test_test_sequences_are_cut_or_padded_to_the_length_of_training(tmp_path, steps):
    rng = np.random.default_rng(0)
    x, x_test = rng.normal(size=(30, 5, 2)), rng.normal(size=(9, steps, 2))
    task, _ = load(tmp_path, x, x_test)
    assert task.test.x.shape == (9, 5, 4)
    kept = min(steps, 5)
    assert np.allclose(original(task, task.test.x)[:, :kept], x_test[:, :kept], atol=1e-5)
    assert task.test.x[:, kept:].isnan().all()


@FIXTURE_IS_FINE
@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64]),
        (12, 4, 2),
        elements=st.sampled_from([0.0, np.nan, 1.0, -2.0, 6e4]),
    )
)
def test_any_sequences_make_a_task_of_numbers_and_padding_or_one_line(tmp_path, x):
    name = write(tmp_path / "a.npz", x, x)
    try:
        task = load_task(name, TaskConfig())
    except InvalidTask as error:
        task = None
        message = str(error)
    if task is None:
        assert "NaN or infinite" in message
    else:
        for split in (task.train, task.validation, task.test):
            there = split.x.isfinite()
            assert torch.equal(there, there.any(2, keepdim=True).expand_as(there))
            assert torch.equal(there.cummin(dim=1).values, there)
            assert there[:, 0].all()
