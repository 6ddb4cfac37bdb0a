"""What the arrays of a file are: images, vectors, sequences or tokens."""

import numpy as np

from mse_rl.config.training import TaskConfig
from mse_rl.data.checks import check_numbers
from mse_rl.data.raw import Array, Kind, RawData, fit_length, mark_zero_padding
from mse_rl.data.tokens import MOST_IDS, IdEncoder, read_ids
from mse_rl.errors import InvalidTask, counted

_CHANNELS = (1, 3, 4)
_ZERO_PADDING = "steps of zeros at the end of a sequence are read as padding"


def interpret(x_train: Array, y_train: Array, x_test: Array, y_test: Array, config: TaskConfig) -> RawData:
    """Return the arrays as ``config.input`` reads them, or else as their shape and dtype tell.

    A note says so where another reading would be as good.

    Raises:
        InvalidTask: the arrays cannot be read so.
    """
    kind = guess(x_train, x_test) if config.input == "auto" else config.input
    x_train, x_test, notes = _READERS[kind](x_train, x_test)
    if config.input == "auto":
        notes = (*_alternative(kind, x_train), *notes)
    encoder = IdEncoder() if kind == "tokens" else None
    return RawData(
        x_train,
        y_train,
        x_test,
        y_test,
        kind,
        notes=notes,
        encoder=encoder,
        zero_padding=_ZERO_PADDING in notes,
    )


def guess(x_train: Array, x_test: Array) -> Kind:
    """Return the kind of inputs, by their rank and dtype.

    Rank 2: tokens if they are integers, but not uint8, from 0 to below 100,000; else vectors.
    Rank 3: sequences if they are floats, else grey images. All others: images.
    """
    if x_train.ndim == 2:
        return "tokens" if _like_ids(x_train, x_test) else "vector"
    return "sequence" if x_train.ndim == 3 and x_train.dtype.kind == "f" else "image"


def channels_first(key: str, x: Array) -> Array:
    """Return images (n, C, H, W) of grey images (n, H, W), or of images with channels first or last.

    Raises:
        InvalidTask: ``x`` is none of these.
    """
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and x.shape[1] in _CHANNELS:
        return x
    if x.ndim == 4 and x.shape[3] in _CHANNELS:
        return x.transpose(0, 3, 1, 2)
    raise InvalidTask(
        f"expected images {key} of shape (n, height, width), (n, channels, height, width) or "
        f"(n, height, width, channels) with 1, 3 or 4 channels, got {x.shape}: reshape it, or set input"
    )


def _like_ids(x_train: Array, x_test: Array) -> bool:
    integers = all(x.dtype.kind in "iu" and x.dtype != np.uint8 and x.size > 0 for x in (x_train, x_test))
    return integers and min(x_train.min(), x_test.min()) >= 0 and x_train.max() < MOST_IDS


def _alternative(kind: Kind, x: Array) -> tuple[str, ...]:
    if kind == "sequence":
        steps, features = x.shape[1:]
        return (
            f"read as sequences of {counted(steps, 'step')} and {counted(features, 'feature')}: "
            "set input to image to read grey images",
        )
    if kind == "tokens":
        return ("read as token ids, of which 0 is padding: set input to vector to read numbers",)
    return ()


def _images(x_train: Array, x_test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    return channels_first("x_train", x_train), channels_first("x_test", x_test), ()


def _vectors(x_train: Array, x_test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    return x_train, x_test, ()


def _sequences(x_train: Array, x_test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    check_numbers("x_train", x_train, "sequence")
    check_numbers("x_test", x_test, "sequence")
    x_test = fit_length(x_test, x_train.shape[1])
    marked = mark_zero_padding(x_train, x_test)
    if marked[0] is x_train and marked[1] is x_test:
        return x_train, x_test, ()
    return *marked, (_ZERO_PADDING,)


def _tokens(x_train: Array, x_test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    return *read_ids(x_train, x_test), ()


_READERS = {"image": _images, "vector": _vectors, "sequence": _sequences, "tokens": _tokens}
