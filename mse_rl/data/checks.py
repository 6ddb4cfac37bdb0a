"""Refuse a dataset that no child could be trained on, before any work is spent on it."""

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.padding import padding
from mse_rl.data.raw import Array, Kind, RawData
from mse_rl.errors import InvalidTask

AXES: dict[str, tuple[str, ...]] = {
    "image": ("n", "channels", "height", "width"),
    "vector": ("n", "features"),
    "sequence": ("n", "steps", "features"),
    "tokens": ("n", "tokens"),
}
"""Of an array of inputs, by their kind."""
_PLURALS: dict[Kind, str] = {"vector": "vectors", "sequence": "sequences", "tokens": "tokens"}


def check_data(raw: RawData) -> None:
    """Check inputs and labels of both splits; of inputs still to be encoded, only how many there are.

    Raises:
        InvalidTask: shape, dtype, length or values are not what ``RawData`` promises.
    """
    for split, x, y in (("train", raw.x_train, raw.y_train), ("test", raw.x_test, raw.y_test)):
        if raw.encoder is None:
            check_numbers(f"x_{split}", x, raw.kind)
            check_finite(f"x_{split}", x, raw.kind)
        _check_labels(f"y_{split}", y)
        if len(x) != len(y):
            raise InvalidTask(
                f"expected one label per sample, got {len(x)} samples in x_{split} and {len(y)} in y_{split}"
            )
    if raw.encoder is None and raw.x_train.shape[1:] != raw.x_test.shape[1:]:
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
        raise InvalidTask(f"resolution is for images, and these are {_PLURALS[raw.kind]}: leave it out")
    if config.augment not in ("auto", "none"):
        raise InvalidTask(
            f"augment {config.augment} is for images, and these are {_PLURALS[raw.kind]}: leave it out"
        )


def check_numbers(key: str, x: Array, kind: Kind) -> None:
    """Check that the inputs called ``key`` are numbers in an array as ``kind`` has it.

    Raises:
        InvalidTask: the rank is another, there are none, or they are no numbers.
    """
    axes = AXES[kind]
    if x.ndim != len(axes):
        raise InvalidTask(f"expected {key} of shape ({', '.join(axes)}), got {x.shape}: reshape it")
    if x.size == 0:
        raise InvalidTask(f"expected samples in {key}, got none (shape {x.shape}): check how it was made")
    if x.dtype.kind not in "biuf":
        raise InvalidTask(f"expected numbers in {key}, got dtype {x.dtype}: convert them to uint8 or float32")


def check_finite(key: str, x: Array, kind: Kind) -> None:
    """Check that the inputs called ``key`` hold numbers everywhere, but for the padding of sequences.

    Raises:
        InvalidTask: they do not.
    """
    if x.dtype.kind != "f":
        return
    bad = x.size - np.count_nonzero(np.isfinite(x))
    if kind == "sequence":
        bad -= np.count_nonzero(padding(x)) * x.shape[2]
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
    with np.errstate(over="ignore"):
        values = y.astype(np.float64)
    wrong = y[~(abs(values) < 2.0**63) | (values != np.floor(values))] if y.dtype.kind == "f" else y[:0]
    if len(wrong):
        raise InvalidTask(
            f"expected whole numbers in {key}, got {len(wrong):,} others, the first {wrong[0]}: "
            "number the classes 0..K-1"
        )
