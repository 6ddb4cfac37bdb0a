"""MNIST and the datasets that share its files: IDX, big-endian (LeCun, Cortes, Burges)."""

from functools import partial
from pathlib import Path

from mse_rl.config import TaskConfig
from mse_rl.data.download import data_dir, download, ensure_files, torchvision_datasets
from mse_rl.data.raw import Array, AugmentationName, RawData
from mse_rl.errors import InvalidTask


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
