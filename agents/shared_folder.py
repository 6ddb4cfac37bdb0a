"""A folder that the processes of a run share, in memory where that can be."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "mse-rl-run-"
MEMORY = Path("/dev/shm")


class SharedFolder:
    """A new folder. What runs have left that were killed is removed first.

    A lock on the folder shows that its run goes on: the system takes it back, however the run ends.

    Args:
        home: where to make it; in memory if not given, or among temporary files where that cannot be.
    """

    def __init__(self, home: Path | None = None) -> None:
        home = home or (MEMORY if os.access(MEMORY, os.W_OK) else Path(gettempdir()))
        for folder in home.glob(f"{PREFIX}*"):
            if (lock := _lock(folder)) is not None:
                _remove(folder, lock)
        self._lock: int | None = None
        while self._lock is None:  # another run may take it for a folder that was left, and remove it
            self.path = Path(mkdtemp(prefix=PREFIX, dir=home))
            self._lock = _lock(self.path)

    def remove(self) -> None:
        """Remove the folder, if that was not done before."""
        if self._lock is not None:
            lock, self._lock = self._lock, None
            _remove(self.path, lock)


def _lock(folder: Path) -> int | None:
    """Return a lock on a folder; None if another process has it, or the folder is gone, or someone else's."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(folder)):
                return lock
        except OSError:
            pass
        os.close(lock)
    return None


def _remove(folder: Path, lock: int) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)
