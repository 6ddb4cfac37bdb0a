"""A NumPy archive of the user's own: images, vectors, sequences or tokens."""

from pathlib import Path
from textwrap import shorten
from typing import BinaryIO

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.files import named_path, require_file
from mse_rl.data.inputs import interpret
from mse_rl.data.npz_members import broken_array, check_members
from mse_rl.data.raw import Array, RawData
from mse_rl.errors import InvalidTask

_ARRAY = b"\x93NUMPY"  # how an .npy file begins
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_WRITE = "write one with numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)"


def npz(argument: str, config: TaskConfig) -> RawData:
    """Read ``x_train``, ``y_train``, ``x_test``, ``y_test`` from an .npz file; nothing is unpickled.

    Inputs are vectors (n, F); images (n, C, H, W) or (n, H, W, C) with 1, 3 or 4 channels (where both fit,
    (n, C, H, W) is meant), or grey ones (n, H, W); sequences (n, T, F); or tokens (n, T): ids of which 0 is
    padding and 1, 2, … are words. ``config.input`` says which, or else their shape and dtype.

    Raises:
        InvalidTask: the file is missing, no such archive, lacks a key, unpacks to more than ``npz_members``
            allows, or its inputs cannot be read so.
    """
    x_train, y_train, x_test, y_test = read_archive(named_path(argument), _KEYS)
    return interpret(x_train, y_train, x_test, y_test, config)


def read_archive(path: Path, keys: tuple[str, ...]) -> list[Array]:
    """Return the arrays of ``keys``.

    Raises:
        InvalidTask: the file is missing, no such archive, lacks a key, or unpacks to too much.
    """
    require_file(path, "an .npz file")
    try:
        with path.open("rb") as file:
            return _arrays(file, path, keys)
    except InvalidTask:
        raise
    except Exception as error:  # a broken archive can raise anything
        raise InvalidTask(f"expected an .npz archive, got something else at {path}: {_WRITE}") from error


def _arrays(file: BinaryIO, path: Path, keys: tuple[str, ...]) -> list[Array]:
    if file.read(len(_ARRAY)) == _ARRAY:
        raise InvalidTask(f"expected an .npz archive, got a single array at {path}: {_WRITE}")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        if missing := [key for key in keys if key not in archive.files]:
            raise InvalidTask(
                f"expected the keys {', '.join(keys)} in {path}, got {_names(archive)}: "
                f"add {', '.join(missing)}"
            )
        check_members(archive.zip, keys, path)
        return [_array(archive, key) for key in keys]


def _names(archive: np.lib.npyio.NpzFile) -> str:
    return shorten(", ".join(archive.files), 160, placeholder=" …") or "none"


def _array(archive: np.lib.npyio.NpzFile, key: str) -> Array:
    try:
        return np.asarray(archive[key])
    except Exception as error:  # a broken archive can raise anything
        raise broken_array(key, error) from error
