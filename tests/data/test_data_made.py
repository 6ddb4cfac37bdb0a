"""Tasks that are made on the spot are what they say."""

import numpy as np
import pytest

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.known import digit_sums, digits, hastie, teacher


def test_the_two_halves_of_an_image_are_digits_that_sum_to_its_label():
    raw, alone = digit_sums("", TaskConfig()), digits("", TaskConfig())
    halves = {}
    for split in ("train", "test"):
        images, labels = (getattr(alone, f"{what}_{split}") for what in ("x", "y"))
        known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
        x, y = (getattr(raw, f"{what}_{split}") for what in ("x", "y"))
        assert x.shape == ({"train": 1500, "test": 1000}[split], 1, 8, 16)
        halves[split] = [
            {np.ascontiguousarray(half).tobytes() for half in (i[..., :8], i[..., 8:])} for i in x
        ]
        left, right = (
            np.array([known[np.ascontiguousarray(half).tobytes()] for half in side])
            for side in (x[..., :8], x[..., 8:])
        )
        assert (left + right == y).all()
        assert set(y) == set(range(19))
        assert np.bincount(y).min() > 0.5 * len(y) / 19  # every sum is as likely
    assert not set.union(*halves["train"]) & set.union(*halves["test"])


def test_a_point_far_from_the_origin_is_of_the_second_class():
    raw = hastie("", TaskConfig())
    for x, y, size in ((raw.x_train, raw.y_train, 1250), (raw.x_test, raw.y_test, 2000)):
        assert x.shape == (size, 10)
        assert ((np.square(x).sum(1) > 9.34) == y.astype(bool)).all()
        assert 0.45 < y.mean() < 0.55


def test_every_class_of_the_teacher_occurs_in_both_splits():
    raw = teacher("", TaskConfig())
    for x, y, size in ((raw.x_train, raw.y_train, 2500), (raw.x_test, raw.y_test, 2000)):
        assert x.shape == (size, 6)
        assert np.bincount(y, minlength=8).min() > 0.02 * size


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [("digit_sums", "image", 19), ("hastie", "vector", 2), ("teacher", "vector", 8)],
)
def test_they_are_loaded_by_name_and_the_same_every_time(name, kind, classes):
    task, again = (load_task(name, TaskConfig(max_train=200)) for _ in range(2))
    assert (task.kind, task.classes) == (kind, classes)
    assert task.fingerprint == again.fingerprint
