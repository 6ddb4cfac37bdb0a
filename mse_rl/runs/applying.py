"""A growth in its folder: the child after every slice, to go on from, and at the end the one that is kept."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from shutil import rmtree

from mse_rl.config.commands import ApplyConfig
from mse_rl.data.sources import Tell, load_tasks
from mse_rl.errors import ChildFailed
from mse_rl.growth.cache import CacheFolder, PrefixCache
from mse_rl.growth.state import CacheEntry
from mse_rl.runs.folders import begin, go_on, locked, new_folder, require_new
from mse_rl.runs.growing import Growth, grow
from mse_rl.runs.grown import save_child
from mse_rl.runs.report import save_report

CHECKPOINTS = "checkpoints"
REPORT = "report.png"
"""The last file of a growth: where it is, the growth is finished."""


def grow_into_new(config: ApplyConfig, tell: Tell, on_start: Callable[[Path], None]) -> tuple[Path, Growth]:
    """Grow a child, and keep it in the folder that its settings name.

    Args:
        config: how.
        tell: gets one line for each thing that happens.
        on_start: called with the folder, once it is made, before the first slice.

    Raises:
        MseRlError: for anything that is wrong with the settings, or if the child fails; then no folder is
            left.
    """
    require_new(config.out)
    with ExitStack() as held:

        def make(chosen: ApplyConfig) -> Path:
            folder = held.enter_context(new_folder(config.out))
            begin(folder, chosen)
            on_start(folder)
            return folder

        return _grow_into(make, config, tell)


def go_on_growing(
    folder: Path, config: ApplyConfig, tell: Tell, on_start: Callable[[Path], None]
) -> Growth | None:
    """Go on with a growth: slices that were trained before are restored, the others are trained.

    Args:
        folder: of the growth.
        config: its settings.
        tell: gets one line for each thing that happens.
        on_start: called with the folder, before the first slice.

    Returns:
        The growth; None if it is finished already.

    Raises:
        MseRlError: for anything that is wrong, or if the child fails; then no folder is left.
    """
    with locked(folder):
        if (folder / REPORT).is_file():
            return None

        def take(chosen: ApplyConfig) -> Path:
            go_on(folder)
            on_start(folder)
            return folder

        _, growth = _grow_into(take, config, tell)
        return growth


def _grow_into(find: Callable[[ApplyConfig], Path], config: ApplyConfig, tell: Tell) -> tuple[Path, Growth]:
    folders: list[Path] = []

    def start(chosen: ApplyConfig) -> PrefixCache[CacheEntry]:
        folders.append(find(chosen))
        kept = CacheFolder(folders[0] / CHECKPOINTS, sys.maxsize, CacheEntry)
        return PrefixCache(0, folder=kept, shares_all=True)

    try:
        growth = grow(config, lambda: load_tasks((config.task,), config.data, tell)[0], tell, on_start=start)
    except ChildFailed:
        rmtree(folders[0])
        raise
    _keep(folders[0], growth)
    return folders[0], growth


def _keep(folder: Path, growth: Growth) -> None:
    save_child(folder, growth.process.child, growth.record)
    accuracy = 100 * (growth.episode.test_accuracy or 0)
    title = f"{growth.config.controller} on {growth.task.name}: test accuracy {accuracy:.2f}%"
    save_report(folder / REPORT, title, growth.timeline)
    rmtree(folder / CHECKPOINTS, ignore_errors=True)
