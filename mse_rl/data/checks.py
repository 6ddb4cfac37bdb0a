"""Refuse a dataset that no child could be trained on, before any work is spent on it."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from mse_rl.config.training import TaskConfig
from mse_rl.data.raw import Array, Kind, RawData, padding
from mse_rl.data.split import PackedSplit, Split
from mse_rl.errors import InvalidTask, counted, unknown_name
from mse_rl.spec.architecture import UNKNOWN

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
        check_labels(f"y_{split}", y)
        if len(x) != len(y):
            raise InvalidTask(
                f"expected one label per sample, got {counted(len(x), 'sample')} in x_{split} and "
                f"{len(y):,} in y_{split}"
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
        what = axes[x.shape.index(0)] if len(x) else "samples"
        raise InvalidTask(f"expected {what} in {key}, got none (shape {x.shape}): check how it was made")
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


def check_labels(key: str, y: Array) -> None:
    """Check that the labels called ``key`` are whole numbers (n,).

    Raises:
        InvalidTask: they are not.
    """
    if y.ndim != 1:
        raise InvalidTask(
            f"expected {key} of shape (n,), one class number per sample, got {y.shape}: reshape it"
        )
    if y.dtype.kind not in "biuf":
        raise InvalidTask(f"expected whole numbers in {key}, got dtype {y.dtype}: number the classes 0..K-1")
    if y.dtype.kind == "u" and len(large := y[y.astype(np.uint64) >= np.uint64(2**63)]):
        raise InvalidTask(
            f"expected labels below 2**63 in {key}, got {len(large):,} others, the first {large[0]}: "
            "number the classes 0..K-1"
        )
    with np.errstate(over="ignore"):
        values = y.astype(np.float64)
    wrong = y[~(abs(values) < 2.0**63) | (values != np.floor(values))] if y.dtype.kind == "f" else y[:0]
    if len(wrong):
        raise InvalidTask(
            f"expected whole numbers in {key}, got {len(wrong):,} others, the first {wrong[0]}: "
            "number the classes 0..K-1"
        )


def check_task(kind: str, classes: int, vocabulary: int, splits: Mapping[str, Split]) -> None:
    """Check what a ``Task`` is made of.

    Args:
        kind, classes, vocabulary: as ``Task`` has them.
        splits: by name; train is the first.

    Raises:
        InvalidTask: they are not what ``Task`` says, or do not fit together.
    """
    if kind not in AXES:
        raise InvalidTask(unknown_name("kind of inputs", kind, AXES))
    if classes < 2:
        raise InvalidTask(f"expected at least 2 classes, got {classes}: add samples of others")
    if kind == "tokens" and vocabulary <= UNKNOWN:
        raise InvalidTask(
            f"expected a vocabulary of at least 2 token ids, padding and unknown, got {vocabulary}: "
            "give `vocabulary`"
        )
    if kind != "tokens" and vocabulary:
        raise InvalidTask(
            f"expected a vocabulary of 0 where inputs are no tokens, got {vocabulary}: leave it out"
        )
    for name, split in splits.items():
        _check_shape(name, split, kind)
        _check_alike(name, split, next(iter(splits.values())))
        if split.x.is_meta:  # there are no values to look at
            continue
        _check_range(f"labels in {name}", split.y, classes, "number the classes 0..K-1, or raise `classes`")
        if kind == "tokens":
            _check_range(f"token ids in {name}", split.x, vocabulary, "raise `vocabulary`")
        elif not isinstance(split, PackedSplit):  # bytes are finite
            _check_finite(name, split.x, kind)


def _check_shape(name: str, split: Split, kind: str) -> None:
    x, y, axes = split.x, split.y, ", ".join(AXES[kind])
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        raise InvalidTask(
            f"expected tensors x and y in {name}, got {type(x).__name__} and {type(y).__name__}: "
            "see Task.from_arrays for arrays"
        )
    if x.dim() != len(AXES[kind]) or y.dim() != 1 or len(x) != len(y):
        raise InvalidTask(
            f"expected x ({axes}) and y (n,) in {name}, got {tuple(x.shape)} and {tuple(y.shape)}: "
            "reshape them"
        )
    if x.numel() == 0:
        raise InvalidTask(f"expected samples in {name}, got none (x of {tuple(x.shape)}): add some")
    if (x.dtype, y.dtype) != (wanted := (_dtype(split, kind), torch.int64)):
        raise InvalidTask(
            f"expected x and y of {wanted[0]} and {wanted[1]} in {name}, got {x.dtype} and {y.dtype}: "
            "convert them"
        )


def _dtype(split: Split, kind: str) -> torch.dtype:
    if kind == "tokens":
        return torch.int64
    return torch.uint8 if isinstance(split, PackedSplit) else torch.float32


def _check_alike(name: str, split: Split, train: Split) -> None:
    shape, wanted = tuple(split.x.shape[1:]), tuple(train.x.shape[1:])
    if shape != wanted:
        raise InvalidTask(
            f"expected samples of one shape, got {wanted} in train and {shape} in {name}: "
            "prepare both in the same way"
        )
    if split.x.device != train.device or split.y.device != train.device:
        raise InvalidTask(
            f"expected tensors on one device, got {train.device} for x in train, and {split.x.device} and "
            f"{split.y.device} for x and y in {name}: move them"
        )


def _check_range(what: str, values: Tensor, end: int, advice: str) -> None:
    least, most = (int(value) for value in values.aminmax())
    if least < 0 or most >= end:
        raise InvalidTask(f"expected {what} from 0 to {end - 1}, got {least} to {most}: {advice}")


def _check_finite(name: str, x: Tensor, kind: str) -> None:
    low, high = x.aminmax()  # NaN, if there is any
    if bool(low.isfinite() & high.isfinite()):
        return
    bad = ~x.isfinite()
    if kind == "sequence":
        bad &= ~_padding(x).unsqueeze(2)
    if count := int(bad.sum()):
        raise InvalidTask(
            f"expected finite values in {name}, got {count:,} NaN or infinite of {x.numel():,}: "
            "fill them in or drop their samples"
        )


def _padding(x: Tensor) -> Tensor:
    """Return which steps (n, T) are padding: all NaN, and so are those behind them; never the first."""
    missing = x.isnan().all(dim=2).to(torch.uint8)
    at_end = missing.flip(1).cumprod(dim=1).flip(1).bool()
    at_end[:, 0] = False
    return at_end
