import logging
import subprocess
import sys

import numpy as np
import pytest
import sklearn.datasets
import torch

from mse_rl.config.training import TaskConfig
from mse_rl.data import SOURCES, load_task
from mse_rl.data.known import digits
from mse_rl.data.raw import RawData
from mse_rl.errors import InvalidTask


def refused(name, config=None):
    """Return the one line with which a task is refused."""
    with pytest.raises(InvalidTask) as caught:
        load_task(name, config or TaskConfig())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def source(monkeypatch):
    """Register a source 'made' and return a function that sets what it gives."""

    def give(**arrays):
        rng = np.random.default_rng(0)
        made = {
            "x_train": rng.normal(3, 2, (60, 5)),
            "y_train": np.arange(60) % 3,
            "x_test": rng.normal(3, 2, (12, 5)),
            "y_test": np.arange(12) % 3,
            "kind": "vector",
        }
        raw = RawData(**(made | arrays))
        monkeypatch.setitem(SOURCES, "made", lambda argument, config: raw)
        return raw

    return give


def images(n, channels=1, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), dtype=np.uint8)


def test_digits_are_those_that_scikit_learn_loads():
    bunch = sklearn.datasets.load_digits()
    raw = digits("", TaskConfig())
    images = np.concatenate([raw.x_train, raw.x_test])[:, 0]
    labels = np.concatenate([raw.y_train, raw.y_test])
    expected = sorted(
        (int(y), x.astype(np.uint8).tobytes()) for x, y in zip(bunch.images, bunch.target, strict=True)
    )
    assert sorted((int(y), x.tobytes()) for x, y in zip(images, labels, strict=True)) == expected


def test_digits_come_in_three_normalised_splits():
    task = load_task("digits", TaskConfig())
    assert [len(split) for split in (task.train, task.validation, task.test)] == [1150, 288, 359]
    assert (task.name, task.kind, task.classes, task.input_shape) == ("digits", "image", 10, (1, 8, 8))
    assert task.train.x.mean().item() == pytest.approx(0, abs=1e-5)
    assert task.train.x.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert task.validation.x.mean().item() != pytest.approx(0, abs=1e-5)  # by the statistics of train
    for split in (task.train, task.validation, task.test):
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        assert split.x.is_contiguous()
        assert split.y.unique().tolist() == list(range(10))


def test_no_image_is_in_two_splits(source):
    source(x_train=np.arange(60.0)[:, None], y_train=np.arange(60) % 3, x_test=100 + np.arange(12.0)[:, None])
    task = load_task("made", TaskConfig())
    values = torch.cat([task.train.x, task.validation.x, task.test.x])[:, 0]
    assert len(values.unique()) == 72
    # each value still goes with its label
    for split in (task.train, task.validation):
        step = (task.test.x[1, 0] - task.test.x[0, 0]).item()
        original = (split.x[:, 0] - task.test.x[0, 0]) / step + 100
        assert torch.equal(original.round().long() % 3, split.y)


def test_the_same_config_gives_the_same_tensors_and_another_seed_another_split():
    a, b, c = (load_task("digits", TaskConfig(split_seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(a.train.x, b.train.x)
    assert torch.equal(a.validation.y, b.validation.y)
    assert not torch.equal(a.train.y, c.train.y)
    assert torch.equal(a.test.y, c.test.y)  # the test split is the dataset's own


def test_max_train_bounds_train_and_validation_together_in_equal_classes():
    task = load_task("digits", TaskConfig(max_train=200, validation_fraction=0.25))
    assert (len(task.train), len(task.validation), len(task.test)) == (150, 50, 359)
    assert task.train.y.bincount().min() >= 13
    assert task.validation.y.bincount().min() >= 4


def test_max_train_keeps_two_of_a_rare_class_to_train_and_to_validate_on(source):
    labels = np.r_[np.zeros(1000, int), 1, 1, 1]
    source(x_train=np.ones((1003, 5)), y_train=labels, y_test=np.zeros(12))
    task = load_task("made", TaskConfig(max_train=30))
    assert task.train.y.bincount().tolist() == [23, 1]
    assert task.validation.y.bincount().tolist() == [5, 1]


def test_max_train_beyond_the_data_takes_all():
    assert len(load_task("digits", TaskConfig(max_train=10**6)).train) == 1150


def test_max_train_too_small_for_the_classes_is_refused():
    message = refused("digits", TaskConfig(max_train=19))
    assert "at least 20" in message
    assert "got 19" in message


def test_validation_is_at_most_2000(source):
    source(x_train=np.arange(30_000.0)[:, None], y_train=np.arange(30_000) % 3, x_test=np.ones((12, 1)))
    task = load_task("made", TaskConfig(validation_fraction=0.5))
    assert (len(task.train), len(task.validation)) == (28_000, 2_000)


def test_a_small_fraction_still_validates_every_class():
    task = load_task("digits", TaskConfig(max_train=100, validation_fraction=0.01))
    assert task.validation.y.sort().values.tolist() == list(range(10))


def test_images_are_resized_to_the_resolution(source):
    flat = np.repeat(np.arange(60, dtype=np.uint8), 64).reshape(60, 1, 8, 8)
    source(kind="image", x_train=flat, x_test=flat[:12])
    task = load_task("made", TaskConfig(resolution=5))
    assert task.input_shape == (1, 5, 5)
    assert torch.allclose(task.test.x, task.test.x[:, :, :1, :1].expand_as(task.test.x), atol=1e-5)
    assert (task.test.x[1:, 0, 0, 0] > task.test.x[:-1, 0, 0, 0]).all()  # still the same images in order


def test_resizing_in_chunks_changes_nothing(source, monkeypatch):
    source(kind="image", x_train=images(60, 3), x_test=images(12, 3))
    whole = load_task("made", TaskConfig(resolution=6)).train.x
    monkeypatch.setattr("mse_rl.data.normalisation._CHUNK_VALUES", 700)
    assert torch.equal(load_task("made", TaskConfig(resolution=6)).train.x, whole)


def test_images_are_normalised_per_channel(source):
    x = images(60, 3) // np.array([1, 4, 16], dtype=np.uint8)[None, :, None, None]
    source(kind="image", x_train=x, x_test=x[:12])
    train = load_task("made", TaskConfig()).train.x
    assert torch.allclose(train.mean((0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(train.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-4)


def test_vectors_are_normalised_per_feature_and_constants_become_zero(source):
    x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 1e-6, 1, 1] + [0, 5, 1e9, 0.1]
    x[:, 3] = [0.3, 0.1 + 0.2] * 30  # constant but for rounding
    source(x_train=x, x_test=x[:12])
    train = load_task("made", TaskConfig()).train.x
    assert torch.allclose(train[:, :3].std(0, correction=0), torch.ones(3), atol=1e-3)
    assert train[:, 3].abs().max() < 1e-6


def test_labels_are_renumbered_and_the_user_is_told_once(source):
    lines = []
    source(y_train=np.array([10, 5, -2] * 20), y_test=np.array([-2, 5, 10] * 4))
    task = load_task("made", TaskConfig(), log=lines.append)
    assert lines == ["made: labels -2, 5, 10 are renumbered 0..2"]
    assert task.test.y.tolist() == [0, 1, 2] * 4
    assert task.train.y.unique().tolist() == [0, 1, 2]


def test_by_default_the_user_is_told_through_the_logger(source, caplog):
    source(y_train=np.arange(60) % 3 + 1, y_test=np.arange(12) % 3 + 1)
    with caplog.at_level(logging.INFO, "mse_rl"):
        load_task("made", TaskConfig())
    assert "labels 1, 2, 3 are renumbered" in caplog.text


def test_whole_float_and_bool_labels_are_fine_and_nothing_is_said(source):
    lines = []
    source(y_train=np.arange(60) % 2.0, y_test=np.arange(12) % 2 == 1)
    task = load_task("made", TaskConfig(), log=lines.append)
    assert task.classes == 2
    assert task.test.y.tolist() == [0, 1] * 6
    assert lines == []


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x_train": np.ones((60, 5, 2))}, ["x_train of shape (n, features)", "(60, 5, 2)"]),
        ({"x_test": np.ones((12, 4))}, ["one shape", "(5,)", "(4,)"]),
        ({"x_train": np.ones((59, 5))}, ["one label per sample", "59", "60"]),
        ({"x_test": np.ones((0, 5)), "y_test": np.ones(0)}, ["samples in x_test", "none", "(0, 5)"]),
        ({"x_train": np.ones((60, 0)), "x_test": np.ones((12, 0))}, ["none", "(60, 0)"]),
        ({"x_test": np.where(np.eye(12, 5) > 0, np.nan, 0)}, ["x_test", "5 NaN or infinite of 60"]),
        ({"x_test": np.where(np.eye(12, 5) > 0, np.inf, 0)}, ["x_test", "5 NaN or infinite of 60"]),
        ({"x_train": np.full((60, 5), "a")}, ["numbers in x_train", "<U1"]),
        ({"x_train": np.full((60, 5), None)}, ["numbers in x_train", "object"]),
        ({"x_train": np.ones((60, 5), complex)}, ["numbers in x_train", "complex"]),
        ({"x_train": np.arange(300).reshape(60, 5) * 1e300}, ["can be squared", "scale them down"]),
        ({"y_train": np.ones((60, 3))}, ["y_train of shape (n,)", "(60, 3)"]),
        ({"y_train": np.arange(60) % 3 + 0.5}, ["whole numbers in y_train", "60 others", "0.5"]),
        ({"y_test": np.full(12, np.nan)}, ["whole numbers in y_test", "nan"]),
        ({"y_test": np.full(12, 1e300)}, ["whole numbers in y_test", "1e+300"]),
        ({"y_train": np.array(["a", "b", "c"] * 20)}, ["whole numbers in y_train", "<U1"]),
        ({"y_train": np.full(60, 4)}, ["at least 2 classes", "only class 4"]),
        ({"y_train": np.minimum(np.arange(60), 1)}, ["at least 2 training samples", "class 0"]),
        ({"y_test": np.arange(12) % 3 + 2}, ["y_test to be among", "got 3, 4 beside 0, 1, 2"]),
    ],
)
def test_a_broken_dataset_is_refused_in_one_line(source, arrays, words):
    source(**arrays)
    message = refused("made")
    assert message.startswith("made: expected ")
    for word in words:
        assert word in message


@pytest.mark.parametrize("setting", [{"resolution": 8}, {"augment": "flip"}])
def test_what_is_for_images_is_refused_for_others(source, setting):
    source()
    message = refused("made", TaskConfig(**setting))
    assert "for images, and these are vectors: leave it out" in message
    source(kind="sequence", x_train=np.ones((60, 5, 2)), x_test=np.ones((12, 5, 2)))
    assert "these are sequences: leave it out" in refused("made", TaskConfig(**setting))


def test_values_that_float32_cannot_hold_once_normalised_are_refused(source):
    x = np.random.default_rng(0).normal(size=(60, 5))
    source(x_train=x, x_test=x[:12] * 1e300)
    assert "over 1e38 deviations from their mean: correct them" in refused("made")


@pytest.mark.parametrize(
    ("name", "features", "classes", "sizes"),
    [
        ("wine", 13, ["class_0", "class_1", "class_2"], (114, 28, 36)),
        ("breast_cancer", 30, ["malignant", "benign"], (364, 91, 114)),
    ],
)
def test_the_bundled_tables_are_those_that_scikit_learn_loads(name, features, classes, sizes):
    task = load_task(name, TaskConfig())
    assert (task.kind, task.classes) == ("vector", len(classes))
    assert task.encoding.keys() == {"classes", "bins"}
    bins = [max(0, len(edges) - 1) for edges in task.encoding["bins"]]
    assert len(bins) == features
    assert task.input_shape == (features + sum(bins),)
    splits = (task.train, task.validation, task.test)
    assert tuple(map(len, splits)) == sizes
    bunch = getattr(sklearn.datasets, f"load_{name}")()
    x = torch.cat([split.x for split in splits]).double() * torch.tensor(task.deviation)
    x = (x + torch.tensor(task.mean))[:, :features]
    ours = np.c_[x, torch.cat([split.y for split in splits])]
    theirs = np.c_[bunch.data, bunch.target]
    ours, theirs = (rows[np.lexsort(rows[:, :3].round(3).T)] for rows in (ours, theirs))
    assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_an_unknown_task_is_refused_with_its_neighbours():
    message = refused("fashion-mnist")
    assert "did you mean 'fashion_mnist'" in message
    assert "npz:PATH" in message


@pytest.mark.parametrize("name", ["npz", "npz:", "folder:", "mnist:train"])
def test_an_argument_is_required_where_there_is_one_and_refused_where_not(name):
    assert f"got {name!r}" in refused(name)


def test_importing_the_package_imports_no_dataset_library():
    """Worker processes import mse_rl.data; torchvision and scikit-learn would cost each 240 MB."""
    code = "import sys, mse_rl.data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "mse_rl.data.sources" in imported
    assert not imported & {"torchvision", "sklearn", "PIL", "gymnasium", "stable_baselines3"}
