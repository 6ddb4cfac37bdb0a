"""A NumPy archive of the user's own: images or vectors."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import Array, RawData
from mse_rl.errors import InvalidTask

_KEYS = ("x_train", "y_train", "x_test", "y_test")
_CHANNELS = (1, 3, 4)
_WRITE = "write one with numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)"


def npz(argument: str, config: TaskConfig) -> RawData:
    """Read ``x_train``, ``y_train``, ``x_test``, ``y_test`` from an .npz file; nothing is unpickled.

    Inputs are vectors (n, F), grey images (n, H, W), or images (n, C, H, W) or (n, H, W, C) with 1, 3 or
    4 channels; where both fit, (n, C, H, W) is meant.

    Raises:
        InvalidTask: the file is missing, no such archive, or lacks a key.
    """
    x_train, y_train, x_test, y_test = read_archive(Path(argument).expanduser(), _KEYS)
    if x_train.ndim == 2:
        return RawData(x_train, y_train, x_test, y_test, "vector")
    x_train, x_test = channels_first("x_train", x_train), channels_first("x_test", x_test)
    return RawData(x_train, y_train, x_test, y_test, "image")


def read_archive(path: Path, keys: tuple[str, ...]) -> list[Array]:
    """Return the arrays of ``keys``.

    Raises:
        InvalidTask: the file is missing, no such archive, or lacks a key.
    """
    if not path.is_file():
        raise InvalidTask(f"expected an .npz file, got no file at {path}: check the path")
    try:
        with path.open("rb") as file:
            return _arrays(np.load(file, allow_pickle=False), path, keys)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise InvalidTask(f"expected an .npz archive, got something else at {path}: {_WRITE}") from error


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
        f"expected {key} of shape (n, features), (n, height, width), (n, channels, height, width) or "
        f"(n, height, width, channels) with 1, 3 or 4 channels, got {x.shape}: reshape it"
    )


def _arrays(archive: object, path: Path, keys: tuple[str, ...]) -> list[Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise InvalidTask(f"expected an .npz archive, got a single array at {path}: {_WRITE}")
    with archive:
        if missing := [key for key in keys if key not in archive.files]:
            raise InvalidTask(
                f"expected the keys {', '.join(keys)} in {path}, got {', '.join(archive.files) or 'none'}: "
                f"add {', '.join(missing)}"
            )
        return [_array(archive, key) for key in keys]


def _array(archive: np.lib.npyio.NpzFile, key: str) -> Array:
    try:
        return np.asarray(archive[key])
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidTask(
            f"expected a numeric array in {key}, got pickled objects or broken data ({error}): save it again"
        ) from error
