"""Refuse a dataset that no child could be trained on, before any work is spent on it."""

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import Array, RawData
from mse_rl.errors import InvalidTask

_AXES = {"image": ("n", "channels", "height", "width"), "vector": ("n", "features")}


def check_data(raw: RawData) -> None:
    """Check inputs and labels of both splits.

    Raises:
        InvalidTask: shape, dtype, length or values are not what ``RawData`` promises.
    """
    for split, x, y in (("train", raw.x_train, raw.y_train), ("test", raw.x_test, raw.y_test)):
        _check_inputs(f"x_{split}", x, raw.kind)
        _check_labels(f"y_{split}", y)
        if len(x) != len(y):
            raise InvalidTask(
                f"expected one label per sample, got {len(x)} samples in x_{split} and {len(y)} in y_{split}"
            )
    if raw.x_train.shape[1:] != raw.x_test.shape[1:]:
        raise InvalidTask(
            "expected samples of one shape in train and test, "
            f"got {raw.x_train.shape[1:]} and {raw.x_test.shape[1:]}: prepare both in the same way"
        )


def check_config(raw: RawData, config: TaskConfig) -> None:
    """Check that what is asked for can be done to this kind of data.

    Raises:
        InvalidTask: a setting for images is given, and these are none.
    """
    if raw.kind == "image":
        return
    if config.resolution is not None:
        raise InvalidTask(f"resolution is for images, and these are {raw.kind}s: leave it out")
    if config.augment not in ("auto", "none"):
        raise InvalidTask(f"augment {config.augment} is for images, and these are {raw.kind}s: leave it out")


def _check_inputs(key: str, x: Array, kind: str) -> None:
    axes = _AXES[kind]
    if x.ndim != len(axes):
        raise InvalidTask(f"expected {key} of shape ({', '.join(axes)}), got {x.shape}: reshape it")
    if x.size == 0:
        raise InvalidTask(f"expected samples in {key}, got none (shape {x.shape}): check how it was made")
    if x.dtype.kind not in "biuf":
        raise InvalidTask(f"expected numbers in {key}, got dtype {x.dtype}: convert them to uint8 or float32")
    bad = x.size - np.count_nonzero(np.isfinite(x)) if x.dtype.kind == "f" else 0
    if bad:
        raise InvalidTask(
            f"expected finite values in {key}, got {bad:,} NaN or infinite of {x.size:,}: "
            "fill them in or drop their samples"
        )


def _check_labels(key: str, y: Array) -> None:
    if y.ndim != 1:
        raise InvalidTask(
            f"expected {key} of shape (n,), one class number per sample, got {y.shape}: reshape it"
        )
    if y.dtype.kind not in "biuf":
        raise InvalidTask(f"expected whole numbers in {key}, got dtype {y.dtype}: number the classes 0..K-1")
    wrong = y[~np.isfinite(y) | (y != np.floor(y))] if y.dtype.kind == "f" else y[:0]
    if len(wrong):
        raise InvalidTask(
            f"expected whole numbers in {key}, got {len(wrong):,} others, the first {wrong[0]}: "
            "number the classes 0..K-1"
        )
