"""A folder of image files, one subfolder per class: the layout of torchvision's ImageFolder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mse_rl.config import TaskConfig
from mse_rl.data.raw import Array, RawData
from mse_rl.data.splits import hold_out_test
from mse_rl.errors import InvalidTask

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}

Files = Sequence[Path]
Labels = NDArray[np.int64]


def folder(path: str, config: TaskConfig) -> RawData:
    """Read PATH/train/<class>/* and PATH/test/<class>/*, or PATH/<class>/* and hold out a fifth for the test.

    All images become RGB (n, 3, H, W) uint8 of the configured resolution, or else of the first one's size.

    Raises:
        InvalidTask: the folder is missing, its layout is another, or an image cannot be read.
    """
    root = Path(path).expanduser()
    if not root.is_dir():
        raise InvalidTask(f"expected a folder of images, got no folder at {root}: check the path")
    train, y_train, test, y_test = _splits(root)
    if config.resolution is not None:
        height = width = config.resolution
        notes: tuple[str, ...] = ()
    else:
        height, width, _ = _read_image(train[0]).shape
        notes = (f"images are resized to {width}x{height}, as {train[0].name} is: set resolution to choose",)
    x_train, x_test = _read(train, height, width), _read(test, height, width)
    classes = tuple(_subfolders(root / "train") or _subfolders(root))
    return RawData(x_train, y_train, x_test, y_test, "image", notes=notes, classes=classes)


def _splits(root: Path) -> tuple[Files, Labels, Files, Labels]:
    present = [split for split in ("train", "test") if _subfolders(root / split)]
    if len(present) == 1:
        raise InvalidTask(
            f"expected both train and test in {root}, got only {present[0]}: add the other, "
            "or put the class folders directly into the folder to have a test split drawn"
        )
    if present:
        classes = _subfolders(root / "train")
        return *_list(root / "train", classes), *_list(root / "test", classes)
    return _hold_out(*_list(root, _subfolders(root)))


def _hold_out(files: Files, labels: Labels) -> tuple[Files, Labels, Files, Labels]:
    scarce = int(np.bincount(labels).argmin())
    if (count := np.count_nonzero(labels == scarce)) < 3:
        one = files[int(np.argmax(labels == scarce))]
        raise InvalidTask(
            "expected at least 3 images of each class, to train, validate and test on, "
            f"got {count} like {one}: add images or drop the class"
        )
    train, test = hold_out_test(labels)
    return [files[i] for i in train], labels[train], [files[i] for i in test], labels[test]


def _list(root: Path, classes: Sequence[str]) -> tuple[Files, Labels]:
    """Return all image files below the class folders of ``root``, and their classes' positions."""
    found = _subfolders(root)
    if not found:
        raise InvalidTask(f"expected one folder per class in {root}, got none: sort the images into folders")
    if unknown := [name for name in found if name not in classes]:
        raise InvalidTask(
            f"expected the classes of {root} to be among those of train, got {', '.join(unknown[:5])} beside "
            f"{', '.join(classes[:5])}: add training images or remove the folders"
        )
    files: list[Path] = []
    labels: list[int] = []
    for name in found:
        images = sorted(p for p in (root / name).rglob("*") if p.suffix.lower() in _SUFFIXES and p.is_file())
        if not images:
            raise InvalidTask(f"expected images in {root / name}, got none: add some or remove the folder")
        files += images
        labels += [classes.index(name)] * len(images)
    return files, np.array(labels, dtype=np.int64)


def _subfolders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _read(files: Files, height: int, width: int) -> Array:
    images = np.empty((len(files), 3, height, width), dtype=np.uint8)
    for image, file in zip(images, files, strict=True):
        image[:] = _read_image(file, (width, height)).transpose(2, 0, 1)
    return images


def _read_image(file: Path, size: tuple[int, int] | None = None) -> Array:
    """Return one image (H, W, 3) uint8, resized to ``size`` (W, H) if given.

    Raises:
        InvalidTask: it cannot be decoded.
    """
    from PIL import Image  # late: only a folder of images needs it

    try:
        with Image.open(file) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises any of these on a broken file
        raise InvalidTask(f"expected an image, got a file that cannot be decoded: replace {file}") from error
    if size is not None:
        image = image.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(image)
