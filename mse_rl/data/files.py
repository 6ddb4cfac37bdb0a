"""Where the files of datasets lie, and how they are downloaded."""

import os
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from textwrap import shorten
from types import ModuleType

from mse_rl.config.training import TaskConfig
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind, is_file, named_path

MOST_DATA_BYTES = 2**35
"""Of a file of the user's own: 34 GB. All of it is held in memory."""


def data_dir(config: TaskConfig) -> Path:
    """Return the configured folder of datasets, else the environment's MSE_RL_DATA, else ./data."""
    return named_path(config.data_dir or os.environ.get("MSE_RL_DATA") or "data", InvalidTask)


def torchvision_datasets() -> ModuleType:
    """Import torchvision.datasets late: it costs 160 MB, which a process with its data at hand saves."""
    return import_module("torchvision.datasets")


def download(dataset: str, root: Path) -> None:
    """Have torchvision's ``dataset`` download, verify and unpack its files below ``root``.

    Raises:
        InvalidTask: an old version has pickled the dataset there, which torchvision would rather load.
    """
    if (old := root / dataset / "processed").exists():
        raise InvalidTask(f"nothing is unpickled: remove {old}")
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
    for name in missing:
        if os.path.lexists(folder / name):  # something else, which whoever downloads might open
            FileKind(name, InvalidTask).require(folder / name)
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
    return [name for name in names if not is_file(folder / name)]
