"""A folder that the processes of a run share, in memory where that can be."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

PREFIX = "mse-rl-run-"
MEMORY = Path("/dev/shm")


class SharedFolder:
    """The folder of a run on one machine. What runs have left there that were killed is removed first.

    Who uses the folder has a lock on it, which the system takes back however a process ends. Who leaves last
    removes it.

    Args:
        run: what the run is called; a new name if not given.
        home: where to make it; in memory if not given, or among temporary files where that cannot be.
    """

    def __init__(self, run: str | None = None, home: Path | None = None) -> None:
        home = home or (MEMORY if os.access(MEMORY, os.W_OK) else Path(gettempdir()))
        for folder in home.glob(f"{PREFIX}*"):
            _remove_if_left(folder, _lock(folder, fcntl.LOCK_EX))
        self.path = home / f"{PREFIX}{run or uuid4().hex}"
        self._lock: int | None = None
        while self._lock is None:  # another run may take it for one that was left, and remove it
            self.path.mkdir(mode=0o700, exist_ok=True)
            self._lock = _lock(self.path, fcntl.LOCK_SH)

    def leave(self) -> None:
        """Leave the folder, if that was not done before."""
        if self._lock is None:
            return
        lock, self._lock = self._lock, None
        with suppress(OSError):  # others use it still
            # The same lock, for a process that starts meanwhile holds it, too, until it has begun.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(lock)


def _lock(folder: Path, kind: int) -> int | None:
    """Return a lock on a folder; None if others have it, or the folder is gone, or someone else's."""
    with suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(lock), os.stat(folder)):
                return lock
        except OSError:
            pass
        os.close(lock)
    return None


def _remove_if_left(folder: Path, lock: int | None) -> None:
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)
