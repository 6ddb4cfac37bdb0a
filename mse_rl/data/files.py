"""Files and folders that a user names: regular, bounded, or downloaded."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from textwrap import shorten
from types import ModuleType

from mse_rl.config.training import TaskConfig
from mse_rl.errors import InvalidTask, brief


def named_path(argument: str) -> Path:
    """Return the path that a user has written, ``~`` being a home.

    Raises:
        InvalidTask: there is no such home.
    """
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise InvalidTask(f"expected a path, got {brief(argument)} ({error}): write it out") from error


def require_file(path: Path, what: str) -> None:
    """Check that a file is there, and a regular one: a pipe or a device might never end.

    Args:
        path: of the file.
        what: it is expected to be, with its article.

    Raises:
        InvalidTask: it is not.
    """
    if not (mode := _mode(path)):
        raise InvalidTask(f"expected {what}, got no file at {brief(path)}: check the path")
    if not S_ISREG(mode):
        other = "a folder" if S_ISDIR(mode) else "a pipe or a device"
        raise InvalidTask(f"expected {what}, got {other} at {brief(path)}: give a regular file")


def is_folder(path: Path) -> bool:
    """Return whether there is a folder at ``path``, whatever it may be."""
    return S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    """Return the type and permissions of what is at ``path``, or 0 if nothing can be."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # too long a name; a null byte in it
        return 0


def data_dir(config: TaskConfig) -> Path:
    """Return the configured folder of datasets, else the environment's MSE_RL_DATA, else ./data."""
    return (config.data_dir or Path(os.environ.get("MSE_RL_DATA") or "data")).expanduser()


def torchvision_datasets() -> ModuleType:
    """Import torchvision.datasets late: it costs 160 MB, which a process with its data at hand saves."""
    return import_module("torchvision.datasets")


def download(dataset: str, root: Path) -> None:
    """Have torchvision's ``dataset`` download, verify and unpack its files below ``root``."""
    getattr(torchvision_datasets(), dataset)(root, download=True)


def ensure_files(
    folder: Path, names: Sequence[str], fetch: Callable[[], object], *, instead: str = ""
) -> None:
    """Call ``fetch`` if a file is missing; a folder that has all of them is only read.

    Args:
        folder: where the files are looked for.
        names: of the files.
        fetch: downloads them.
        instead: what would do as well, and where it goes.

    Raises:
        InvalidTask: files are missing and cannot be downloaded.
    """
    if not (missing := _missing(folder, names)):
        return
    reason = "the download did not bring them"
    try:
        fetch()
    except Exception as error:  # networks, servers and archives can raise anything
        reason = f"the download failed ({shorten(str(error), 160, placeholder=' …') or type(error).__name__})"
    if missing := _missing(folder, names):
        raise InvalidTask(
            f"expected {', '.join(missing)} in {folder.absolute()}, but {reason}: put the files there, "
            f"{instead and f'or {instead}, '}or point `data_dir` or MSE_RL_DATA at the folder that has them"
        )


def _missing(folder: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (folder / name).is_file()]
