"""Well-known datasets, read by scikit-learn and torchvision, and three that are made up."""

import math
import struct
from bz2 import BZ2Decompressor
from functools import partial
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.config.training import TaskConfig
from mse_rl.data.files import data_dir, download, ensure_files, torchvision_datasets
from mse_rl.data.raw import Array, AugmentationName, RawData
from mse_rl.data.split import hold_out_test
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind, is_file


def digits(argument: str, config: TaskConfig) -> RawData:
    """Read 1,797 images (n, 1, 8, 8) with values 0..16, ten classes; 359 are held out for the test."""
    bunch = _load("load_digits")
    x, y = bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "image")


def table(loader: str, argument: str, config: TaskConfig) -> RawData:
    """Read vectors (n, F) and the names of their classes; a fifth is held out for the test."""
    bunch = _load(loader)
    x, y = bunch.data, bunch.target.astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(
        x[train], y[train], x[test], y[test], "vector", classes=tuple(map(str, bunch.target_names))
    )


wine = partial(table, "load_wine")
breast_cancer = partial(table, "load_breast_cancer")


def _load(loader: str) -> Any:
    # Late: importing scikit-learn costs 86 MB, which a process that is handed its tasks saves.
    return getattr(import_module("sklearn.datasets"), loader)()


def load(dataset: str, augmentation: AugmentationName, argument: str, config: TaskConfig) -> RawData:
    """Read the four files of torchvision's ``dataset``: images (n, 1, 28, 28) uint8, ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or is not IDX.
    """
    root = data_dir(config)
    folder = root / dataset / "raw"
    names = [
        f"{split}-{part}-ubyte" for split in ("train", "t10k") for part in ("images-idx3", "labels-idx1")
    ]
    ensure_files(folder, names, partial(download, dataset, root))
    x_train, y_train, x_test, y_test = (read_idx(folder / name) for name in names)
    return RawData(x_train[:, None], y_train, x_test[:, None], y_test, "image", augmentation)


mnist = partial(load, "MNIST", "none")
kmnist = partial(load, "KMNIST", "none")
fashion_mnist = partial(load, "FashionMNIST", "flip")


def read_idx(path: Path) -> Array:
    """Return the images (n, H, W) uint8 or the labels (n,) int64 of an IDX file; its name says which.

    Raises:
        InvalidTask: the file is something else, or cut short.
    """
    content, rank = _IDX.read(path), 3 if "images" in path.name else 1
    head, sizes = content[: 4 + 4 * rank], content[4 : 4 + 4 * rank]
    shape = struct.unpack(f">{rank}I", sizes) if len(sizes) == 4 * rank else ()
    if head[:4] != bytes((0, 0, 8, rank)) or math.prod(shape) != len(content) - len(head):
        raise InvalidTask(
            f"expected an IDX file of unsigned bytes, got {len(content):,} bytes of something else or "
            f"cut short: delete {path} and get it again"
        )
    values = np.frombuffer(content, np.uint8, offset=len(head)).reshape(shape)
    return values if rank == 3 else values.astype(np.int64)


_IDX = FileKind("an IDX file of unsigned bytes", InvalidTask, 2**28)
_MATLAB = FileKind("a file of SVHN", InvalidTask, 2**28)
_SVHN_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def svhn(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 3, 32, 32) uint8 of ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or is not the original one.
    """
    root = data_dir(config)

    def fetch() -> None:
        for split in _SVHN_FILES:
            torchvision_datasets().SVHN(root, split=split, download=True)

    ensure_files(root, list(_SVHN_FILES.values()), fetch)
    for name in _SVHN_FILES.values():
        _MATLAB.require(root / name)
    try:
        train, test = (torchvision_datasets().SVHN(root, split=split) for split in _SVHN_FILES)
    except RuntimeError as error:  # torchvision compares checksums
        raise InvalidTask(
            f"expected the original SVHN, got files with other checksums: "
            f"delete {' and '.join(_SVHN_FILES.values())} in {root} and get them again"
        ) from error
    return RawData(train.data, train.labels, test.data, test.labels, "image", "crop")


_USPS_FILES = {"usps.bz2": True, "usps.t.bz2": False}
"""And whether each is of the training split."""
_MOST_USPS_BYTES = 2**25
"""Once unpacked."""
_USPS = FileKind(
    "USPS in LIBSVM's format", InvalidTask, 2**24, f"delete {' and '.join(_USPS_FILES)} and get them again"
)


def usps(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 16, 16) uint8 of ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or cannot be read.
    """
    root = data_dir(config)

    def fetch() -> None:
        for name, train in _USPS_FILES.items():
            if not is_file(root / name):  # one that is there would be unpacked, however large that is
                torchvision_datasets().USPS(root, train=train, download=True)

    ensure_files(root, tuple(_USPS_FILES), fetch)
    (x_train, y_train), (x_test, y_test) = (read_usps(root / name) for name in _USPS_FILES)
    return RawData(x_train, y_train, x_test, y_test, "image")


def read_usps(path: Path) -> tuple[Array, Array]:
    """Return images (n, 1, 16, 16) uint8 and labels (n,) of a packed file: "5 1:-1 2:-0.813 …" in a line.

    Raises:
        InvalidTask: the file is something else.
    """
    with _USPS.open(path) as file:
        rows = [_usps_row(line) for line in _unpacked(file.read())]
        pixels = np.array([values for _, values in rows], dtype=np.float32).reshape(-1, 1, 16, 16)
        if not (abs(pixels) <= 1).all():
            raise ValueError("values beyond -1 and 1")
    return ((pixels + 1) / 2 * 255).astype(np.uint8), np.array([label for label, _ in rows])


def _unpacked(content: bytes) -> BytesIO:
    reader = BZ2Decompressor()
    text = reader.decompress(content, max_length=_MOST_USPS_BYTES)
    if not reader.eof:
        raise ValueError("cut short, or too large")
    return BytesIO(text)


def _usps_row(line: bytes) -> tuple[int, list[float]]:
    """Return label and values of a line."""
    label, *cells = line.split()
    if len(cells) != 256:
        raise ValueError(f"{len(cells):,} values in a line, not 256")
    return int(label) - 1, [float(cell.rpartition(b":")[2]) for cell in cells]


SUMS_TRAIN, SUMS_TEST = 1_500, 1_000
HASTIE_TRAIN, HASTIE_TEST = 1_250, 2_000
TEACHER_TRAIN, TEACHER_TEST = 2_500, 2_000
TEACHER_INPUTS, TEACHER_UNITS, TEACHER_CLASSES = 6, 24, 8


def digit_sums(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 8, 16) of two of scikit-learn's handwritten digits; the label is their sum, 0..18.

    Pairs are drawn with equal chances for every sum. Those of the test split are made of digits that are in
    no training image.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    raw, rng = digits(argument, config), np.random.default_rng(0)
    x_train, y_train = _pairs(raw.x_train, raw.y_train, SUMS_TRAIN, rng)
    x_test, y_test = _pairs(raw.x_test, raw.y_test, SUMS_TEST, rng)
    return RawData(x_train, y_train, x_test, y_test, "image")


def hastie(argument: str, config: TaskConfig) -> RawData:
    """Make vectors (n, 10) of standard normal numbers; the label says whether their squares sum to over 9.34.

    Hastie, Tibshirani and Friedman, 2009, The Elements of Statistical Learning, example 10.2.
    """
    x = np.random.default_rng(0).standard_normal((HASTIE_TRAIN + HASTIE_TEST, 10))
    y = (np.square(x).sum(axis=1) > 9.34).astype(np.int64)
    train, test = slice(HASTIE_TRAIN), slice(HASTIE_TRAIN, None)
    return RawData(x[train], y[train], x[test], y[test], "vector")


def teacher(argument: str, config: TaskConfig) -> RawData:
    """Make vectors (n, 6) of standard normal numbers; the label is the largest of the eight outputs of a
    fixed random network with 24 hidden units: the student has to learn what the teacher knows.

    Large children learn it better than small ones if they see it often, and worse if they do not.
    Saad and Solla, 1995, On-line learning in soft committee machines.
    """
    rng = np.random.default_rng(0)
    x = rng.standard_normal((TEACHER_TRAIN + TEACHER_TEST, TEACHER_INPUTS))
    first = rng.standard_normal((TEACHER_INPUTS, TEACHER_UNITS)) * math.sqrt(2 / TEACHER_INPUTS)
    hidden = np.maximum(0, x @ first + 0.3 * rng.standard_normal(TEACHER_UNITS))
    outputs = hidden @ rng.standard_normal((TEACHER_UNITS, TEACHER_CLASSES))
    y = ((outputs - outputs.mean(axis=0)) / outputs.std(axis=0)).argmax(axis=1)
    train, test = slice(TEACHER_TRAIN), slice(TEACHER_TRAIN, None)
    return RawData(x[train], y[train], x[test], y[test], "vector")


def _pairs(
    images: NDArray[np.uint8], labels: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    sums = rng.integers(19, size=count)
    left = rng.integers(np.maximum(0, sums - 9), np.minimum(9, sums) + 1)
    halves = []
    for digit in (left, sums - left):
        chosen = np.empty(count, dtype=np.int64)
        for value in range(10):
            chosen[digit == value] = rng.choice(np.flatnonzero(labels == value), (digit == value).sum())
        halves.append(images[chosen])
    return np.concatenate(halves, axis=3), sums
