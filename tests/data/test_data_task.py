"""A task that is made by hand is checked when it is made."""

from dataclasses import replace

import pytest
import torch
from support.problems import KINDS, problem

import mse_rl
from mse_rl.data import Split
from mse_rl.errors import InvalidTask


def changed(split, place, value):
    """Return a split with another value at one place of its inputs."""
    x = split.x.clone()
    x[place] = value
    return Split(x, split.y)


def padded(x, steps):
    """Return sequences of which the first is padded from a step on."""
    x = x.clone()
    x[0, steps:] = torch.nan
    return x


def test_padding_is_not_a_gap():
    task = problem("sequence")
    x = padded(task.train.x, 2)
    assert replace(task, train=Split(x, task.train.y)).train.x[0, 1:].isnan().any()


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_task_without_normalisation_grows_and_predicts(kind):
    task = problem(kind)
    grown = mse_rl.apply(task, "wait", training_flops=3e8)
    accuracy = (grown.predict(task.test.x.numpy()) == task.test.y.numpy()).mean()
    assert accuracy == pytest.approx(grown.growth["test_accuracy"])


def test_token_ids_of_another_length_and_unknown_ones_are_read():
    grown = mse_rl.apply(problem("tokens"), "wait", training_flops=3e8)
    known, long = [[3, 1, 0, 0, 0, 0, 0, 0]], [[3, 99, 0, 0, 0, 0, 0, 0, 5]]
    assert grown.reader([[3, 1]]).tolist() == grown.reader(long).tolist() == known


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("vector", {"kind": "vectr"}, "did you mean 'vector'"),
        ("vector", {"kind": "image"}, r"expected x \(n, channels, height, width\)"),
        ("vector", {"classes": 1}, "at least 2 classes, got 1"),
        ("vector", {"classes": 2}, "labels in train from 0 to 1, got 0 to 2"),
        ("vector", {"vocabulary": 5}, "vocabulary of 0"),
        ("tokens", {"vocabulary": 0}, "at least 2 token ids"),
        ("tokens", {"vocabulary": 5}, "token ids in train from 0 to 4, got 0 to 8"),
    ],
)
def test_what_does_not_fit_the_splits_is_refused(kind, change, message):
    with pytest.raises(InvalidTask, match=message):
        replace(problem(kind), **change)


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("vector", lambda s: Split(s.x[:0], s.y[:0]), "expected samples in {}, got none"),
        ("vector", lambda s: Split(s.x[1:], s.y), r"expected x \(n, features\) and y \(n,\) in {}"),
        ("vector", lambda s: Split(s.x, s.y[:, None]), r"and y \(n,\) in {}"),
        ("vector", lambda s: Split(s.x.double(), s.y), "in {}, got torch.float64"),
        ("vector", lambda s: Split(s.x, s.y.int()), "torch.int64 in {}, got .* and torch.int32"),
        ("vector", lambda s: Split(s.x.numpy(), s.y), "expected tensors x and y in {}, got ndarray"),
        ("vector", lambda s: Split(s.x, s.y - 1), "labels in {} from 0 to 2, got -1 to 1"),
        ("vector", lambda s: changed(s, (0, 0), torch.nan), "finite values in {}, got 1 NaN"),
        ("image", lambda s: changed(s, (0, 0, 0), torch.inf), "finite values in {}, got 8 NaN"),
        ("sequence", lambda s: changed(s, (0, 0), torch.nan), "finite values in {}, got 4 NaN"),
        ("sequence", lambda s: changed(s, (0, -1, 0), torch.nan), "finite values in {}, got 1 NaN"),
        ("sequence", lambda s: changed(s, (0, -1), -torch.inf), "finite values in {}, got 4 NaN"),
        ("tokens", lambda s: changed(s, (0, 0), -1), "token ids in {} from 0 to 8, got -1"),
    ],
)
def test_a_split_that_no_child_can_read_is_refused(name, kind, change, message):
    task = problem(kind)
    with pytest.raises(InvalidTask, match=message.format(name)):
        replace(task, **{name: change(getattr(task, name))})


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_splits_of_different_shapes_are_refused(name):
    task = problem("vector")
    split = getattr(task, name)
    with pytest.raises(InvalidTask, match="samples of one shape"):
        replace(task, **{name: Split(split.x[:, 1:], split.y)})
