"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): pickles, read without letting them run code."""

import pickle
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.download import data_dir, download, ensure_files
from mse_rl.data.raw import Array, RawData
from mse_rl.errors import InvalidTask


def cifar10(argument: str, config: TaskConfig) -> RawData:
    """Read 50,000 + 10,000 images (3, 32, 32) of ten classes."""
    batches = [f"data_batch_{i}" for i in range(1, 6)]
    return _load("CIFAR10", "cifar-10-batches-py", batches, "test_batch", "labels", config)


def cifar100(argument: str, config: TaskConfig) -> RawData:
    """Read 50,000 + 10,000 images (3, 32, 32) of a hundred classes."""
    return _load("CIFAR100", "cifar-100-python", ["train"], "test", "fine_labels", config)


def read_batch(path: Path, label_key: str) -> tuple[Array, Array]:
    """Return images (n, 3, 32, 32) uint8 and labels (n,) of one batch file.

    Only arrays, numbers, strings and containers are unpickled: neither the file's origin nor
    torchvision's checksum need be trusted.

    Raises:
        InvalidTask: the file is no such batch, or asks for anything but arrays.
    """
    try:
        with path.open("rb") as file:
            batch = _ArraysOnly(file, encoding="latin1").load()
        return batch["data"].reshape(-1, 3, 32, 32), np.asarray(batch[label_key], dtype=np.int64)
    except Exception as error:  # a broken pickle can raise anything
        raise InvalidTask(
            f"expected a batch of CIFAR images, got {type(error).__name__} ({error}): "
            f"delete {path} and get it again"
        ) from error


def _load(
    dataset: str, subfolder: str, batches: Sequence[str], test: str, label_key: str, config: TaskConfig
) -> RawData:
    root = data_dir(config)
    folder = root / subfolder
    ensure_files(folder, [*batches, test], partial(download, dataset, root))
    parts = [read_batch(folder / name, label_key) for name in batches]
    x_train, y_train = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    x_test, y_test = read_batch(folder / test, label_key)
    return RawData(x_train, y_train, x_test, y_test, "image", "crop-flip")


def _dtype(name: str, align: bool = False, copy: bool = False) -> np.dtype[Any]:
    # The release says 0 and 1 for the booleans, of which NumPy 2.4.0 to 2.4.4 warn.
    return np.dtype(name, align=bool(align), copy=bool(copy))


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    # Protocol 2 writes bytes as text to be encoded; any other codec is not for arrays.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"expected latin1, got codec {encoding!r}")
    return text.encode("latin1")


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _latin1,
    # NumPy's own pickle functions have moved; asking an array for them works in every version.
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy.core.numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
    ("numpy._core.numeric", "_frombuffer"): np.empty(0).__reduce_ex__(5)[0],
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"expected arrays only, got {module}.{name}")
        return _KNOWN[module, name]
