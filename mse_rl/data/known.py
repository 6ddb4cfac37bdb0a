"""Well-known datasets, read by scikit-learn and torchvision, and two that are made of them."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.config.training import TaskConfig
from mse_rl.data.files import data_dir, download, ensure_files, torchvision_datasets
from mse_rl.data.raw import Array, AugmentationName, RawData
from mse_rl.data.split import hold_out_test
from mse_rl.errors import InvalidTask


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

    torchvision's function is asked, not its dataset, which prefers what an old version has pickled.

    Raises:
        InvalidTask: the file is something else, or cut short.
    """
    reader = torchvision_datasets().mnist
    read = reader.read_image_file if "images" in path.name else reader.read_label_file
    try:
        values: Array = read(path).numpy()
    except Exception as error:  # a broken file can raise anything
        raise InvalidTask(
            f"expected an IDX file of unsigned bytes, got {path.stat().st_size:,} bytes of something else or "
            f"cut short: delete {path} and get it again"
        ) from error
    return values


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
    try:
        train, test = (torchvision_datasets().SVHN(root, split=split) for split in _SVHN_FILES)
    except RuntimeError as error:  # torchvision compares checksums
        raise InvalidTask(
            f"expected the original SVHN, got files with other checksums: "
            f"delete {' and '.join(_SVHN_FILES.values())} in {root} and get them again"
        ) from error
    return RawData(train.data, train.labels, test.data, test.labels, "image", "crop")


_USPS_FILES = ("usps.bz2", "usps.t.bz2")


def usps(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 16, 16) uint8 of ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or cannot be read.
    """
    root = data_dir(config)

    def fetch() -> None:
        for train in (True, False):
            torchvision_datasets().USPS(root, train=train, download=True)

    ensure_files(root, _USPS_FILES, fetch)
    try:
        train, test = (torchvision_datasets().USPS(root, train=train) for train in (True, False))
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InvalidTask(
            f"expected USPS in LIBSVM's format, got {type(error).__name__} ({error}): "
            f"delete {' and '.join(_USPS_FILES)} in {root} and get them again"
        ) from error
    y_train, y_test = np.asarray(train.targets), np.asarray(test.targets)
    return RawData(train.data[:, None], y_train, test.data[:, None], y_test, "image")


SUMS_TRAIN, SUMS_TEST = 1_500, 1_000
HASTIE_TRAIN, HASTIE_TEST = 1_250, 2_000


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
