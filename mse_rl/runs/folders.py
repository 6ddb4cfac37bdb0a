"""The folder of a run: made, locked while it is written to, and every file in it whole or not at all."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, is_dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from torch import Tensor

from mse_rl.errors import InvalidRun, WriteFailed
from mse_rl.files import FileKind, is_file, plain_path
from mse_rl.plain import from_plain
from mse_rl.plugins import is_path
from mse_rl.tensors import packed

RECORDED_PACKAGES = ("mse-rl", "torch", "gymnasium", "stable-baselines3", "sb3-contrib", "numpy")
CONFIG = "config.json"
"""A folder with this file holds a run; it is the first that a run writes."""
_SETTINGS = FileKind(
    "the settings of a run",
    InvalidRun,
    advice="go on with the version of mse-rl that it was begun with, or begin anew",
)
_COMMANDS = {"ppo": "train", "controller": "apply"}
"""Which command's settings have this part."""
_VERSIONS = "versions.json"
_LOCK, _DRAFT = ".lock", ".part"
_LEFT_OVER = {_LOCK, CONFIG + _DRAFT}
"""What a run leaves that was killed before it had its settings on disk."""


def require_new(path: Path | None) -> None:
    """Raise unless a run can be kept at ``path``, or, if it is None, in runs/. Makes nothing yet.

    Raises:
        InvalidRun: if something is there already, or nothing can be written there.
    """
    require_writable(path or Path("runs"))
    if path is not None and path.exists() and not (path.is_dir() and _is_empty(path)):
        raise InvalidRun(f"expected a new folder, but {path} exists already: name another one or remove it")


def _is_empty(folder: Path) -> bool:
    return {entry.name for entry in folder.iterdir()} <= _LEFT_OVER


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
    """Create a folder and its parents, if they do not exist.

    Raises:
        InvalidRun: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRun(f"expected a folder, but {path} cannot be made: {error.strerror}") from error


@contextmanager
def new_folder(path: Path | None) -> Iterator[Path]:
    """Make a folder, and hold its lock; if nothing is written there for an error, it is removed.

    Args:
        path: of the folder; runs/ and the time if None, with a number behind it if that is taken.

    Raises:
        InvalidRun: if something is there already, another process writes there, or it cannot be made.
    """
    require_new(path)
    if path is None:
        path = _make_named_by_time()
    else:
        make_folder(path)
    try:
        with locked(path):
            require_new(path)  # another process may have come and gone
            yield path
    except BaseException:
        with suppress(OSError):
            path.rmdir()
        raise


def _make_named_by_time() -> Path:
    runs = Path("runs")
    make_folder(runs)
    time = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    for number in count(1):
        path = runs / (time if number == 1 else f"{time}_{number}")
        with writing(path), suppress(FileExistsError):
            path.mkdir()
            break
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; it is freed when the process ends, however it ends.

    Raises:
        InvalidRun: if another process holds it.
        WriteFailed: if nothing can be written there.
    """
    lock = FileLock(folder / _LOCK)
    with writing(folder):
        try:
            lock.acquire(blocking=False)
        except Timeout as error:
            raise InvalidRun(
                f"expected a folder that nobody writes to, but another process does, to {folder}: wait for "
                "it, or name another one"
            ) from error
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / _LOCK).unlink()  # while it is held: who has it open finds that it is gone
        lock.release()


def begin(path: Path, config: object) -> None:
    """Write what a run is: config.json, command.txt, versions.json."""
    write_json(path / CONFIG, config)
    go_on(path)


def go_on(path: Path) -> None:
    """Add to command.txt what was typed now, and write versions.json, if it is not there."""
    command = path / "command.txt"
    typed = shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\n"
    write_bytes(command, (command.read_bytes() if command.is_file() else b"") + typed.encode())
    if not (path / _VERSIONS).is_file():
        write_json(path / _VERSIONS, _versions())


def changed_versions(path: Path) -> str:
    """Return in words which packages are of other versions than when the run began; nothing if none are."""
    try:
        begun = json.loads((path / _VERSIONS).read_text())
        return ", ".join(
            f"{name} {begun[name]}, now {now}" for name, now in _versions().items() if begun[name] != now
        )
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # the file is for people
        return ""


def _versions() -> dict[str, str | None]:
    packages = {name: installed_version(name) for name in RECORDED_PACKAGES}
    return {"python": sys.version.split()[0], **packages}


Config = TypeVar("Config")


def load_config(folder: Path, kind: type[Config], *, trust: bool) -> Config:
    """Return the settings of the run in a folder.

    Args:
        folder: of the run.
        kind: of the settings.
        trust: let them name code of others, which would be imported.

    Raises:
        InvalidRun: if there are none, or they ask for trust that they have not got.
    """

    def build(plain: Any) -> Config:
        command = next((name for key, name in _COMMANDS.items() if key in plain), "")
        if kind.__name__ != f"{command.capitalize()}Config" and command:
            raise InvalidRun(f"{folder} was made by mse-rl {command}: go on with mse-rl {command} --resume")
        foreign = sorted({name for name in _strings(plain) if is_path(name)})
        if foreign and not trust:
            raise InvalidRun(
                f"{folder} was begun with code that does not come along, {' and '.join(foreign)}, which "
                "would be imported: where you trust who began it, say `trust_run`, or trust=True in Python"
            )
        config: Config = from_plain(kind, plain)
        return config

    if not is_file(folder / CONFIG):
        raise InvalidRun(f"expected the folder of a run, but {folder} has no {CONFIG}")
    return _SETTINGS.load(folder / CONFIG, build)


def _strings(plain: Any) -> Iterator[str]:
    """Yield all strings in what JSON can hold."""
    if isinstance(plain, str):
        yield plain
    for part in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        yield from _strings(part)


def installed_version(package: str) -> str | None:
    """Return the version of a package; None for what runs from a checkout, not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_json(path: Path, data: Any) -> None:
    """Write dataclasses, paths and plain data as JSON, whole or not at all."""
    plain = asdict(data) if is_dataclass(data) and not isinstance(data, type) else data
    write_bytes(path, (json.dumps(plain, indent=1, default=plain_path) + "\n").encode())


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, with their digest, whole or not at all."""
    write_bytes(path, packed(tensors))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place, and move it there once it is on disk: whole or not at all.

    Raises:
        WriteFailed: if it cannot be written; what was there before is there still.
    """
    part = path.with_name(path.name + _DRAFT)
    with writing(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise what the system says of a full disk or a lost folder as an error of this package.

    Raises:
        WriteFailed: for every OSError.
    """
    try:
        yield
    except OSError as error:
        raise WriteFailed(
            f"expected to write {path}, got: {error.strerror or error}; make room there, or mend it"
        ) from error
