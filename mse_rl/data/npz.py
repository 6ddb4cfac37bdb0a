"""Archives of arrays, bounded before they are unpacked."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Any, BinaryIO
from zipfile import ZipFile

import numpy as np

from mse_rl.config.training import TaskConfig
from mse_rl.data.arrays import numbered
from mse_rl.data.checks import check_labels
from mse_rl.data.files import MOST_DATA_BYTES
from mse_rl.data.inputs import interpret
from mse_rl.data.raw import Array, Asked, RawData
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind, named_path

MOST_RATIO = 100
"""An archive may unpack to so many times its size; images of real data seldom reach ten times."""
MOST_SMALL = 2**27
"""So many bytes (134 MB) are unpacked in any case."""
LEAST_BYTES = 4
"""Of a value: bytes become float32."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_members(archive: ZipFile, keys: tuple[str, ...], path: Path) -> None:
    """Check the arrays of ``keys``: as large as their headers say, and together within bounds.

    Nothing but their headers is read.

    Raises:
        InvalidTask: one is not, or they would unpack to more than ``MOST_SMALL`` and ``MOST_RATIO`` allow.
    """
    total, size = 0, path.stat().st_size
    for key in keys:
        try:
            total += _check_header(archive, key if key in archive.namelist() else f"{key}.npy")
        except Exception as error:  # a broken archive can raise anything
            raise broken_array(key, error) from error
    if total > max(MOST_SMALL, MOST_RATIO * size):
        raise InvalidTask(
            f"expected an archive that unpacks to at most {MOST_RATIO} times its size, got {total:,} bytes "
            f"of {size:,} at {path}: save it with numpy.savez, uncompressed"
        )


def broken_array(key: str, error: Exception) -> InvalidTask:
    """Return the complaint about the array called ``key``."""
    return InvalidTask(
        f"expected a numeric array in {key}, got pickled objects or broken data "
        f"({shorten(str(error), 160, placeholder=' …')}): save it again"
    )


def _check_header(archive: ZipFile, name: str) -> int:
    """Return the bytes that an array will take in memory."""
    with archive.open(name) as member:
        version: Any = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the format holds no plain numbers")
        shape, _, dtype = _HEADERS[version](member)
        claimed, held = math.prod(shape) * dtype.itemsize, archive.getinfo(name).file_size - member.tell()
    if dtype.hasobject:
        raise ValueError("objects are not read")
    if claimed != held or min(shape, default=0) < 0:
        raise ValueError(f"shape {shape} of {dtype} takes {claimed:,} bytes, got {held:,}")
    return int(math.prod(shape) * max(dtype.itemsize, LEAST_BYTES))


_ARRAY = b"\x93NUMPY"  # how an .npy file begins
_KEYS = ("x_train", "y_train", "x_test", "y_test")
_WRITE = "write one with numpy.savez(path, x_train=…, y_train=…, x_test=…, y_test=…)"
_FILE = FileKind("an .npz archive", InvalidTask, MOST_DATA_BYTES, advice=_WRITE)


def npz(argument: str, config: TaskConfig) -> RawData:
    """Read ``x_train``, ``y_train``, ``x_test``, ``y_test`` from an .npz file; nothing is unpickled.

    Inputs are vectors (n, F); images (n, C, H, W) or (n, H, W, C) with 1, 3 or 4 channels (where both fit,
    (n, C, H, W) is meant), or grey ones (n, H, W); sequences (n, T, F); or tokens (n, T): ids of which 0 is
    padding and 1, 2, … are words. ``config.input`` says which, or else their shape and dtype.

    Raises:
        InvalidTask: the file is missing, no such archive, lacks a key, unpacks to more than ``npz_members``
            allows, or its inputs cannot be read so.
    """
    x_train, y_train, x_test, y_test = read_archive(named_path(argument, InvalidTask), _KEYS)
    y_train, y_test, classes = numbered(_labels("y_train", y_train), _labels("y_test", y_test))
    return replace(interpret(x_train, y_train, x_test, y_test, config), classes=classes)


def asked_arrays(argument: str, config: TaskConfig, split: str, reader: InputReader) -> Asked:
    """Read the samples of a split, or else ``x``, from an .npz file, and their labels if it has them.

    Raises:
        InvalidTask: the file is missing, no such archive, lacks inputs, unpacks to too much, or has another
            number of labels.
    """
    path = named_path(argument, InvalidTask)
    pairs = ((f"x_{split}", f"y_{split}"), ("x", "y"))

    def chosen(path: Path, names: Sequence[str]) -> tuple[str, ...]:
        for pair in pairs:
            if pair[0] in names:
                return tuple(key for key in pair if key in names)
        raise InvalidTask(f"expected the key x_{split} or x in {path}, got {_listed(names)}: add one")

    arrays = _read(path, chosen)
    (key, x), *labels = arrays.items()
    for other, y in labels:
        y = _labels(other, y)
        if len(x) != len(y):
            raise InvalidTask(f"expected one label per sample, got {len(x)} in {key} and {len(y)} in {other}")
        return Asked(x, [str(label) if y.dtype.kind in "Ub" else str(int(label)) for label in y])
    return Asked(x)


def _labels(key: str, y: Array) -> Array:
    """Return labels (n,), whole numbers or strings.

    Raises:
        InvalidTask: they are neither.
    """
    if y.dtype.kind == "S":
        try:
            y = np.char.decode(y, "utf-8")
        except UnicodeDecodeError as error:
            raise InvalidTask(f"expected labels in UTF-8 in {key}, got other bytes: save them so") from error
    if y.dtype.kind != "U" or y.ndim != 1:
        check_labels(key, y)
    return y


def read_archive(path: Path, keys: tuple[str, ...]) -> list[Array]:
    """Return the arrays of ``keys``.

    Raises:
        InvalidTask: the file is missing, no such archive, lacks a key, or unpacks to too much.
    """

    def all_of_them(path: Path, names: Sequence[str]) -> tuple[str, ...]:
        if missing := [key for key in keys if key not in names]:
            raise InvalidTask(
                f"expected the keys {', '.join(keys)} in {path}, got {_listed(names)}: "
                f"add {', '.join(missing)}"
            )
        return keys

    return list(_read(path, all_of_them).values())


Choose = Callable[[Path, Sequence[str]], tuple[str, ...]]
"""Returns which arrays of a file are read, of all that are there."""


def _read(path: Path, choose: Choose) -> dict[str, Array]:
    try:
        with _FILE.open(path) as file:
            return _arrays(file, path, choose)
    except InvalidTask:
        raise
    except Exception as error:  # a broken archive can raise anything
        raise _FILE.broken(path, error) from error


def _arrays(file: BinaryIO, path: Path, choose: Choose) -> dict[str, Array]:
    if (start := file.read(len(_ARRAY))) == _ARRAY:
        raise InvalidTask(f"expected an .npz archive, got a single array at {path}: {_WRITE}")
    if not start.startswith(b"PK"):
        raise ValueError("no archive")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        keys = choose(path, archive.files)
        check_members(archive.zip, keys, path)
        return {key: _array(archive, key) for key in keys}


def _listed(names: Sequence[str]) -> str:
    return shorten(", ".join(names), 160, placeholder=" …") or "none"


def _array(archive: np.lib.npyio.NpzFile, key: str) -> Array:
    try:
        return np.asarray(archive[key])
    except Exception as error:  # a broken archive can raise anything
        raise broken_array(key, error) from error
