"""Tasks of arrays and torch datasets of the user's own."""

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from mse_rl.config.training import TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidConfig, InvalidTask

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), np.arange(60) % 3


def same(one: Task, other: Task) -> bool:
    return one.fingerprint == other.fingerprint and torch.equal(one.test.x, other.test.x)


@pytest.mark.parametrize("shape", [(4,), (6, 2), (3, 8, 8), (8, 8)], ids=str)
def test_arrays_become_what_a_file_with_them_becomes(tmp_path, shape):
    x = RNG.normal(size=(60, *shape)).astype(np.float32)
    np.savez(tmp_path / "t.npz", x_train=x[:45], y_train=Y[:45], x_test=x[45:], y_test=Y[45:])
    name = f"npz:{tmp_path / 't.npz'}"
    assert same(Task.from_arrays(x[:45], Y[:45], x[45:], Y[45:], name=name), load_task(name, TaskConfig()))


def test_lists_are_arrays_and_the_config_counts():
    task = Task.from_arrays(X.tolist(), Y.tolist(), config=TaskConfig(validation_fraction=0.5))
    assert (len(task.train), len(task.validation), len(task.test)) == (24, 24, 12)
    assert task.test.y.bincount().tolist() == [4, 4, 4]


def test_labels_may_be_strings():
    names = np.array(["ant", "bee", "cow"])
    task = Task.from_arrays(X, names[Y])
    assert task.encoding["classes"] == names.tolist()
    assert task.classes == 3


def test_a_torch_dataset_is_the_same_as_its_arrays():
    dataset = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    assert same(Task.from_dataset(dataset, name="a"), Task.from_arrays(X, Y, name="a"))
    both = Task.from_dataset(dataset, dataset, name="a")
    assert len(both.test) == 60


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((X, Y, X), "both x_test and y_test"),
        ((X, Y[:7]), "one label per sample"),
        ((X, Y + 0.5), "whole numbers in y_train"),
        ((X * np.nan, Y), "finite"),
        ((X.astype(str), Y), "expected numbers"),
        ((X[:5], Y[:5]), "at least 3 samples of each class"),
        ((X[:0], Y[:0]), "got fewer of nothing"),
        ((X, Y, X, np.full(60, 9)), "among those of y_train"),
        ((X, Y.astype(str), X, np.full(60, "z")), "among those of y_train"),
        ((X, np.zeros(60, int)), "at least 2 classes"),
        ((X, Y, X[:, :2], Y), "samples of one shape"),
    ],
)
def test_what_is_wrong_with_arrays_is_said(arguments, message):
    with pytest.raises(InvalidTask, match=message):
        Task.from_arrays(*arguments)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ([(np.zeros(3), 0), (np.zeros(4), 1)], "samples of one shape"),
        ([], "empty dataset"),
        ([(np.zeros(3), 0, 1)], "a dataset of"),
        (iter([]), "a dataset of"),
        ([(np.zeros(3), [0, 1])], "a dataset of"),
        ([(X[i], Y[i] + 0.5) for i in range(60)], "whole numbers"),
    ],
)
def test_a_dataset_that_is_none_is_refused(dataset, message):
    with pytest.raises(InvalidTask, match=message):
        Task.from_dataset(dataset)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1.0], [1.0, 2.0]], [0, 1], "array x_train"),
        (torch.zeros(6, 2, dtype=torch.bfloat16), Y[:6], "array x_train"),
        (X, np.array([None, *Y[1:]], dtype=object), "gaps"),
        (X, np.array([np.nan, *Y[1:]], dtype=object), "gaps"),
        (X, "a", "one label per sample"),
        (X, Y[:, None], "one label per sample"),
        (X, np.array([1, "a"] * 30, dtype=object), "labels of one type in y_train, got int, str"),
        (X, Y.astype(np.uint64) + 2**63, r"labels below 2\*\*63 in y_train, got .* others"),
        (X, np.array([2**63, 2**64, 0] * 20, dtype=object), r"labels below 2\*\*63 in y_train"),
        (np.ma.masked_less(X, 0), Y, f"everywhere in x_train, got {(X < 0).sum()} masked of 240"),
        (X, np.ma.masked_equal(Y, 1), "everywhere in y_train, got 20 masked of 60"),
        (X[:, 0], Y, r"x_train of shape \(n, features\), .* got \(60,\): reshape numbers"),
        (["one text"] * 60, Y, r"got \(60,\): .* write texts to a CSV file"),
        (X[:, :0], Y, r"features in x_train, got none \(shape \(60, 0\)\)"),
    ],
)
def test_what_is_no_array_is_refused(x, y, message):
    for test in ((), (x, y)):
        with pytest.raises(InvalidTask, match=message) as refused:
            Task.from_arrays(x, y, *test)
        assert "\n" not in str(refused.value)


def test_masks_that_hide_nothing_and_the_largest_labels_are_fine():
    assert same(Task.from_arrays(np.ma.masked_invalid(X), Y), Task.from_arrays(X, Y))
    largest = Task.from_arrays(X, Y.astype(np.uint64) + (2**63 - 3))
    assert largest.encoding["labels"] == [2**63 - 3, 2**63 - 2, 2**63 - 1]


@pytest.mark.parametrize("config", [{}, "wine", {"input": "vector"}], ids=str)
def test_a_config_that_is_none_is_refused(config):
    with pytest.raises(InvalidConfig, match="expected a TaskConfig as config, got"):
        Task.from_arrays(X, Y, config=config)


def test_tensors_and_objects_are_arrays():
    task = Task.from_arrays(torch.from_numpy(X).requires_grad_(), Y.astype(object))
    assert same(task, Task.from_arrays(X, Y))
    assert "classes" not in task.encoding


class Frame:
    """What a table of pandas offers, of numbers of several types or of words."""

    def __init__(self, **columns):
        self._values, self.columns = list(columns.values()), list(columns)
        self.dtypes = [np.asarray(column).dtype for column in self._values]

    def __array__(self, dtype=None, copy=None):
        types = set(self.dtypes)
        return np.array(self._values, dtype=types.pop() if len(types) == 1 else object).T

    def to_numpy(self, dtype, na_value):
        return np.array(self._values, dtype=dtype).T


def test_a_table_of_pandas_is_one_of_numbers():
    whole = Frame(age=np.arange(30), size=np.arange(30) * 2)
    mixed = Frame(age=np.arange(30), open=np.arange(30) % 2 > 0, share=np.arange(30) / 7)
    for frame, features in ((whole, 2), (mixed, 3)):
        task = Task.from_arrays(frame, np.arange(30) % 3)
        assert (task.kind, task.train.x.shape[1] >= features) == ("vector", True)
        reader = InputReader.of_record(task.record)
        assert torch.equal(reader(frame), reader(frame.to_numpy(float, None)))
    born = np.arange(30).astype("datetime64[D]")
    for other in (["red"] * 30, born):
        with pytest.raises(InvalidTask, match=r"numbers in all columns of x_train, got others .*csv:PATH"):
            Task.from_arrays(Frame(age=np.arange(30), other=other), np.arange(30) % 3)
