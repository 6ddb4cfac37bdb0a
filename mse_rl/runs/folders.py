"""The folder of a run, and what is written into it."""

import json
import os
import shlex
import sys
from dataclasses import asdict, is_dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from torch import Tensor

from mse_rl.errors import InvalidRun
from mse_rl.tensors import packed

RECORDED_PACKAGES = ("mse-rl", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "numpy")


def new_directory(path: Path | None) -> Path:
    """Return where a run is to be kept: ``path``, or runs/ and the time. Makes nothing yet.

    Raises:
        InvalidRun: if something is there already, or nothing can be written there.
    """
    path = path or Path("runs") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    require_writable(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InvalidRun(f"expected a new folder, but {path} exists already: name another one or remove it")
    return path


def require_writable(path: Path) -> None:
    """Raise unless files can be written into ``path``, once it is made if it is not there.

    Raises:
        InvalidRun: if it, or what is there of its parents, is no folder that can be written to.
    """
    try:
        home = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
    except OSError as error:  # a name that no file system takes
        raise InvalidRun(f"expected a folder, but {path} cannot be one: {error.strerror}") from error
    if not (home.is_dir() and os.access(home, os.W_OK)):
        raise InvalidRun(f"expected a folder to write {path} into, but {home} is none: name another one")


def require_new_file(path: Path) -> None:
    """Raise unless a new file can be written at ``path``, once its folder is made.

    Raises:
        InvalidRun: if it is there already, or cannot be.
    """
    require_writable(path.parent)
    try:
        there = path.exists()
    except OSError as error:  # a name that no file system takes
        raise InvalidRun(f"expected a file, but {path} cannot be one: {error.strerror}") from error
    if there:
        raise InvalidRun(f"expected a new file, but {path} exists already: name another one")


def make_folder(path: Path) -> None:
    """Make a folder and its parents, if they are not there.

    Raises:
        InvalidRun: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRun(f"expected a folder, but {path} cannot be made: {error.strerror}") from error


def begin(path: Path, config: object) -> None:
    """Make the folder, and write what the run is: config.json, command.txt, versions.json."""
    make_folder(path)
    write_json(path / "config.json", config)
    (path / "command.txt").write_text(shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n")
    versions = {name: installed_version(name) for name in RECORDED_PACKAGES}
    write_json(path / "versions.json", {"python": sys.version.split()[0]} | versions)


def installed_version(package: str) -> str | None:
    """Return the version of a package; None for what runs from a checkout, not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_json(path: Path, data: Any) -> None:
    """Write dataclasses, paths and plain data as JSON, whole or not at all."""
    plain = asdict(data) if is_dataclass(data) and not isinstance(data, type) else data
    write_bytes(path, (json.dumps(plain, indent=1, default=_plain) + "\n").encode())


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, with their digest, whole or not at all."""
    write_bytes(path, packed(tensors))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there once it is on disk: whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected plain data, got {value!r}")
