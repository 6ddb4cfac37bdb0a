"""MNIST and the datasets that share its files: IDX, big-endian (LeCun, Cortes, Burges)."""

import struct
from functools import partial
from pathlib import Path

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.download import data_dir, download, ensure_files
from mse_rl.data.raw import Array, AugmentationName, RawData
from mse_rl.errors import InvalidTask

_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def load(dataset: str, augmentation: AugmentationName, argument: str, config: TaskConfig) -> RawData:
    """Read the four files of torchvision's ``dataset``: images (n, 1, 28, 28) uint8, ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or is not IDX.
    """
    root = data_dir(config)
    folder = root / dataset / "raw"
    ensure_files(folder, _FILES, partial(download, dataset, root))
    x_train, y_train, x_test, y_test = (read_idx(folder / name) for name in _FILES)
    return RawData(x_train[:, None], y_train, x_test[:, None], y_test, "image", augmentation)


mnist = partial(load, "MNIST", "none")
kmnist = partial(load, "KMNIST", "none")
fashion_mnist = partial(load, "FashionMNIST", "flip")


def read_idx(path: Path) -> Array:
    """Return the unsigned bytes of an IDX file: 0, 0, 8, rank; rank sizes of 4 bytes; the values.

    Raises:
        InvalidTask: the file is something else, or cut short.
    """
    content = path.read_bytes()
    rank = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    start = 4 + 4 * rank
    shape = struct.unpack_from(f">{rank}I", content, 4) if rank and len(content) >= start else ()
    if not shape or len(content) != start + int(np.prod(shape)):
        raise InvalidTask(
            f"expected an IDX file of unsigned bytes, got {len(content):,} bytes of something else or "
            f"cut short: delete {path} and get it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
