"""Folders of images, one for each class."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from mse_rl.config.training import TaskConfig
from mse_rl.data.image_file import SUFFIXES, read_image, unknown_units
from mse_rl.data.pixels import WHITE_OF_8_BITS, in_units
from mse_rl.data.raw import Array, Asked, RawData, about_part, listed
from mse_rl.data.reader import InputReader
from mse_rl.data.split import hold_out_test, may_be_held_out
from mse_rl.errors import InvalidTask, brief, counted
from mse_rl.files import is_file, is_folder, named_path

MOST_SMALL, MOST_RATIO = 2**29, 100
"""All images together may take so many bytes in any case, or so many times the bytes of their files."""
_HIDDEN = frozenset(
    {"__macosx", "__pycache__", "@eadir", "#recycle", "#snapshot", "$recycle.bin", "lost+found"}
    | {"system volume information"}
)
"""Folders that archives, servers and systems leave behind; what begins with a dot is hidden, too."""
_SPLITS = {
    "train": ("train", "training"),
    "test": ("test", "testing"),
    "validation": ("validation", "valid", "val", "dev"),
}
"""What the folders of splits are called, in lower case."""
MOST_SIDE = 256
"""Larger images are made smaller, if no resolution is given."""

Files = Sequence[Path]
Labels = NDArray[np.int64]


def folder(path: str, config: TaskConfig) -> RawData:
    """Read PATH/train/<class>/* and PATH/test/<class>/*, or PATH/<class>/* and hold out a fifth for the test.

    Images in a folder called validation (valid, val, dev) are test images if there is no test folder, else
    further training images, of which a part is held out anyway. A folder with nothing but another one in it
    stands for that. Names of splits may be in any case.

    All images become RGB (n, 3, H, W) of the configured resolution, or else of the first one's size, but at
    most 256 pixels a side: uint8, or float32 if a file holds more than 8 bits a pixel. What is hidden
    (``.ipynb_checkpoints``, ``__MACOSX``, ``._x.png``) or called otherwise than images are is left out, and a
    note says so.

    Raises:
        InvalidTask: the folder is missing, its layout is another, a link leads out of it, or an image cannot
            be read.
    """
    root = named_path(path, InvalidTask)
    if not is_folder(root):
        raise InvalidTask(f"expected a folder of images, got no folder at {brief(root)}: check the path")
    top = root
    root, notes = _unwrapped(root)
    splits = _splits(root)
    if not config.follow_links:
        _check_links(top, splits)
    classes = tuple(_classes(splits[0]))
    lists = [_list(split, classes) for split in splits]
    train, y_train, test, y_test = _hold_out(*lists[0]) if len(lists) == 1 else (*lists[0], *lists[1])
    for files, labels in lists[2:]:
        train, y_train = [*train, *files], np.concatenate([y_train, labels])
    notes += (f"{counted(len(classes), 'class', 'classes')}, {listed(classes)}", *_about_splits(root, splits))
    notes += _left_out(root, splits, [*train, *test])
    height, width, size_notes = _size(train, config)
    if config.resolution is None:
        _check_total([*train, *test], height * width)
    x_train, x_test = np.split(_read([*train, *test], height, width), [len(train)])
    notes += size_notes
    return RawData(
        x_train, y_train, x_test, y_test, "image", notes=notes, classes=classes, white=WHITE_OF_8_BITS
    )


def asked_images(argument: str, config: TaskConfig, split: str, reader: InputReader) -> Asked:
    """Read images as ``folder`` does, in the size that a network reads, with or without labels.

    A folder called like the split holds its images. Where there is none, and there are at least 3 images of
    each class, they are the part that ``folder`` gives the split; else they are all that there are. Folders
    are labels if one of them is called like one of the reader's classes.

    Raises:
        InvalidTask: the folder is missing or without images, a link leads out of it, an image cannot be read,
            or the reader reads no images.
    """
    if reader.kind != "image":
        raise InvalidTask(f"expected {reader.kind} inputs, got images: name a dataset like the child's own")
    root = named_path(argument, InvalidTask)
    if not is_folder(root):
        raise InvalidTask(f"expected a folder of images, got no folder at {brief(root)}: check the path")
    top, (root, _) = root, _unwrapped(root)
    homes = _homes(root, split, reader.classes or ())
    if not config.follow_links:
        _check_links(top, homes)
    files, labels, notes = _images_below(homes), None, list[str]()
    classes = [each for home in homes for each in _classes(home).items()]
    if not {name for name, _ in classes}.isdisjoint(reader.classes or ()):
        of_class = [(name, _images_below(folders)) for name, folders in classes]
        files = [file for _, images in of_class for file in images]
        labels = [name for name, images in of_class for _ in images]
        if homes == [root] and may_be_held_out(labels):
            _, y = np.unique(labels, return_inverse=True)
            rows = hold_out_test(y)[split == "test"]
            notes.append(about_part(split, len(rows), len(labels)))
            files, labels = [files[row] for row in rows], [labels[row] for row in rows]
    if not files:
        raise InvalidTask(f"expected images in {homes[0]}, got none: check the path")
    height, width = reader.shape[1:]
    names_of_files = [str(file.relative_to(top)) for file in files]
    return Asked(_read(files, height, width), labels, names_of_files, WHITE_OF_8_BITS, notes)


def _homes(root: Path, split: str, classes: Sequence[str]) -> list[Path]:
    """Return the folders that hold the images of a split: ``root`` alone where none is called like one."""
    folders = [path for path in _subfolders(root) if path.name not in classes]
    present = {name: path for path in folders if (name := _split_of(path))}
    if split == "train" and present.keys() == _SPLITS.keys():
        return [present["train"], present["validation"]]
    order = ("test", "validation", "train") if split == "test" else ("train", "validation", "test")
    return [next((present[name] for name in order if name in present), root)]


def _images_below(folders: Iterable[Path]) -> list[Path]:
    return sorted(path for folder in folders for path in _found(folder) if _is_image(path))


def _unwrapped(root: Path) -> tuple[Path, tuple[str, ...]]:
    """Return the folder that is alone within ``root``, if it holds others, as archives are unpacked."""
    top = root
    while len(inner := _subfolders(root)) == 1 and _subfolders(inner[0]) and not _split_of(inner[0]):
        root = inner[0]
    return root, (f"read from the only folder within, {root.relative_to(top)}",) if root != top else ()


def _split_of(folder: Path) -> str:
    """Return which split a folder is called after, or nothing."""
    return next((split for split, names in _SPLITS.items() if folder.name.lower() in names), "")


def _splits(root: Path) -> tuple[Path, ...]:
    """Return the folders of train, test, and more of train; or ``root`` alone, which holds the classes."""
    folders = _subfolders(root)
    present = {split: path for path in folders if (split := _split_of(path)) and _subfolders(path)}
    if not present:
        if folders and all(map(_split_of, folders)):
            raise InvalidTask(
                f"expected one folder per class in {folders[0]}, got none: sort the images into folders"
            )
        return (root,)
    if "train" in present and len(present) > 1:
        test = present.get("test") or present.pop("validation")
        return (present.pop("train"), test, *(path for path in present.values() if path != test))
    got = next(iter(present.values())).name
    raise InvalidTask(
        f"expected both train and test in {root}, got only {got}: add the other, "
        "or put the class folders directly into the folder to have a test split drawn"
    )


def _about_splits(root: Path, splits: Sequence[Path]) -> tuple[str, ...]:
    if len(splits) == 2 and _split_of(splits[1]) == "validation":
        return (
            f"{splits[1].name} is the test split, as there is no other: a part of train is held out, too",
        )
    return tuple(f"{path.name} is part of train, of which a part is held out" for path in splits[2:])


def _size(files: Files, config: TaskConfig) -> tuple[int, int, tuple[str, ...]]:
    """Return the height and width that images are resized to, and a note on that."""
    if config.resolution is not None:
        return config.resolution, config.resolution, ()
    for file in files:
        with suppress(InvalidTask):  # all that cannot be read are named later
            height, width, _ = read_image(file).shape
            scale = min(1, MOST_SIDE / max(height, width))
            shown = max(1, round(scale * height)), max(1, round(scale * width))
            first = f"{file.name} is" if scale == 1 else f"{file.name} is {width}x{height}"
            note = f"images are resized to {shown[1]}x{shown[0]}, as {first}: `resolution` names a size"
            return *shown, (note,)
    return 1, 1, ()


def _check_links(root: Path, splits: Sequence[Path]) -> None:
    """Check that the folders of splits and classes are below ``root``, wherever links lead."""
    real = root.resolve()
    for folder in [*splits, *(each for split in splits for each in _subfolders(split))]:
        if not folder.resolve().is_relative_to(real):
            raise InvalidTask(
                f"expected folders of images in {root}, got a link out of it, {folder}: set `follow_links` "
                "to follow it, or copy the images"
            )


def _check_total(files: Files, pixels: int) -> None:
    """Check that files hold what all images will take, each being of so many pixels."""
    size, total = sum(file.stat().st_size for file in files), len(files) * pixels * 3 * 4
    if total > max(MOST_SMALL, MOST_RATIO * size):
        raise InvalidTask(
            f"expected images that take at most {MOST_RATIO} times the bytes of their files, got {total:,} "
            f"of {size:,}, as all become as large as {files[0]}: set `resolution`"
        )


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
    found = _classes(root)
    if not found:
        raise InvalidTask(f"expected one folder per class in {root}, got none: sort the images into folders")
    if unknown := [name for name in found if name not in classes]:
        raise InvalidTask(
            f"expected the classes of {root} to be among those of train, got {', '.join(unknown[:5])} beside "
            f"{', '.join(classes[:5])}: add training images or remove the folders"
        )
    files: list[Path] = []
    labels: list[int] = []
    for name, folders in found.items():
        images = _images_below(folders)
        if not images:
            raise InvalidTask(f"expected images in {folders[0]}, got none: add some or remove the folder")
        files += images
        labels += [classes.index(name)] * len(images)
    return files, np.array(labels, dtype=np.int64)


def _classes(root: Path) -> dict[str, list[Path]]:
    """Return the folders of each class: names that look the same are the same (NFC)."""
    found: dict[str, list[Path]] = {}
    for folder in _subfolders(root):
        name = normalize("NFC", os.fsencode(folder.name).decode(errors="backslashreplace"))
        found.setdefault(name, []).append(folder)
    return dict(sorted(found.items()))


def _subfolders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and not _is_hidden(path))


def _found(folder: Path) -> Iterator[Path]:
    """Yield what is below a folder: files, and what is hidden as a whole."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink() and not _is_hidden(path):
            yield from _found(path)
        else:
            yield path


def _is_hidden(path: Path) -> bool:
    """Return whether a program has put something there for itself."""
    return path.name.startswith(".") or path.name.lower() in _HIDDEN


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not _is_hidden(path) and is_file(path)


def _left_out(root: Path, splits: Sequence[Path], read: Files) -> tuple[str, ...]:
    """Describe in one line what is below ``root`` beside the files that are read, if there is anything."""
    classes = {path for split in splits for path in _subfolders(split)}
    found = {path for folder in (root, *splits) for path in folder.iterdir()}
    found |= {path for folder in classes for path in _found(folder)}
    if not (others := sorted(found - classes - {*splits, *read})):
        return ()
    names = listed([path.relative_to(root) for path in others], most=3)
    return (f"left out, as hidden or no images of a class: {names} ({len(others):,} in all)",)


def _read(files: Files, height: int, width: int) -> Array:
    """Return all images (n, 3, H, W) uint8, or float32 if some of them are deeper."""
    images = np.empty((len(files), 3, height, width), dtype=np.uint8)
    unknown: dict[str, list[int]] = {"F": [], "I": []}
    errors: dict[Path, InvalidTask] = {}
    for place, file in enumerate(files):
        try:
            image = read_image(file, (width, height))
        except InvalidTask as error:
            errors[file] = error
            continue
        if image.dtype != np.uint8:
            images = images.astype(np.float32, copy=False)
            if mode := unknown_units(file):
                unknown[mode].append(place)
        images[place] = image.transpose(2, 0, 1)
    if errors:
        first, *others = errors.values()
        also = f", and {len(others):,} like it: {listed(list(errors)[1:], width=200)}" if others else ""
        raise InvalidTask(f"{first}{also}") from first
    for mode, dtype in (("F", np.float32), ("I", np.int64)):
        if places := unknown[mode]:  # by all files of a mode: one may be dark
            images[places] = in_units(images[places].astype(dtype), WHITE_OF_8_BITS)
    return images
