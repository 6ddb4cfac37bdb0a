"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): the binary release, or the original pickles."""

import hashlib
import pickletools
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mse_rl.config.training import TaskConfig
from mse_rl.data.files import data_dir, download, ensure_files, torchvision_datasets
from mse_rl.data.raw import Array, RawData
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind, is_file

_FILE = FileKind("a file of CIFAR", InvalidTask, 2**28)
_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Release:
    """How a dataset was released.

    Args:
        dataset: torchvision's name for it.
        classes: number of classes; labels are 0..classes-1.
        folder: of the binary files.
        files: the binary files, the test's last.
        labels: bytes before the pixels of each image, of which the last is its class.
        key: of the labels in a pickle.
    """

    dataset: str
    classes: int
    folder: str
    files: tuple[str, ...]
    labels: int
    key: str


CIFAR10 = Release(
    "CIFAR10",
    classes=10,
    folder="cifar-10-batches-bin",
    files=(*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
    labels=1,
    key="labels",
)
CIFAR100 = Release(
    "CIFAR100",
    classes=100,
    folder="cifar-100-binary",
    files=("train.bin", "test.bin"),
    labels=2,
    key="fine_labels",
)


def load(release: Release, argument: str, config: TaskConfig) -> RawData:
    """Read 50,000 + 10,000 images (3, 32, 32) uint8 of the binary files if they are there, else the pickles.

    Raises:
        InvalidTask: files are missing and cannot be downloaded, or are not what was released.
    """
    root = data_dir(config)
    binary = [root / release.folder / name for name in release.files]
    if all(map(is_file, binary)):
        batches = [read_binary(path, release) for path in binary]
    else:
        batches = _read_pickles(root, release)
    x_train, y_train = (np.concatenate(arrays) for arrays in zip(*batches[:-1], strict=True))
    x_test, y_test = batches[-1]
    return RawData(x_train, y_train, x_test, y_test, "image", "crop-flip")


cifar10 = partial(load, CIFAR10)
cifar100 = partial(load, CIFAR100)


def read_binary(path: Path, release: Release) -> tuple[Array, Array]:
    """Return images (n, 3, 32, 32) uint8 and labels (n,) int64 of a binary file.

    Raises:
        InvalidTask: it holds no whole number of images, or labels beyond the classes.
    """
    content = np.frombuffer(_FILE.read(path), np.uint8)
    size = release.labels + _PIXELS
    if len(content) == 0 or len(content) % size:
        raise InvalidTask(
            f"expected images of {size:,} bytes each, got {len(content):,} bytes: "
            f"delete {path} and get it again"
        )
    rows = content.reshape(-1, size)
    labels = rows[:, release.labels - 1].astype(np.int64)
    if labels.max() >= release.classes:
        raise InvalidTask(
            f"expected labels below {release.classes}, got {labels.max()}: delete {path} and get it again"
        )
    return rows[:, release.labels :].reshape(-1, 3, 32, 32), labels


def read_pickle(path: Path, md5: str, release: Release) -> tuple[Array, Array]:
    """Return images (n, 3, 32, 32) uint8 and labels (n,) int64 of a pickle with this ``md5``.

    It is not unpickled: its strings and numbers are looked at, whose order is known.

    Raises:
        InvalidTask: it is another file.
    """
    content = _FILE.read(path)
    if (got := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise InvalidTask(
            f"expected the original {path.name}, whose md5 is {md5}, got {got} at {path}: get it again, or "
            f"put the binary files into {release.folder} beside its folder"
        )
    texts, numbers = _parts(content)
    labels = np.array(numbers[release.key], dtype=np.int64)
    pixels = np.frombuffer(max(texts, key=len), np.uint8)
    return pixels.reshape(len(labels), 3, 32, 32), labels


def _parts(pickle: bytes) -> tuple[list[bytes], dict[str | bytes, list[int]]]:
    """Return all strings in a pickle, and by each of them the whole numbers behind it."""
    texts, numbers, last = list[bytes](), dict[str | bytes, list[int]](), list[int]()
    for code, argument, _ in pickletools.genops(pickle):
        if code.name.startswith("BININT"):
            last.append(int(argument or 0))
        elif isinstance(argument, str | bytes):
            texts.append(argument if isinstance(argument, bytes) else argument.encode("latin1"))
            last = numbers[argument] = []
    return texts, numbers


def _read_pickles(root: Path, release: Release) -> list[tuple[Array, Array]]:
    original = getattr(torchvision_datasets(), release.dataset)
    folder = root / original.base_folder
    files = [*original.train_list, *original.test_list]
    ensure_files(
        folder,
        [name for name, _ in files],
        partial(download, release.dataset, root),
        instead=f"{', '.join(release.files)} into {(root / release.folder).absolute()}",
    )
    return [read_pickle(folder / name, md5, release) for name, md5 in files]
