"""Trajectories in a folder: shared by the processes of a machine, and kept between runs if it is on disk."""

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Generic, Protocol, Self, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

_LOGGER = logging.getLogger(__name__)
_ENDING, _DRAFT = ".safetensors", ".part"
_STALE_SECONDS = 3600
"""A draft that is older was left by a process that was killed."""


class Keepable(Protocol):
    """Something that knows how much memory it takes, and what to write of it to a file."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""

    def to_parts(self) -> tuple[dict[str, Tensor], str]:
        """Return its tensors by name, and all else as text."""

    @classmethod
    def from_parts(cls, tensors: dict[str, Tensor], text: str) -> Self:
        """Return what ``to_parts`` was called on.

        Raises:
            ValueError: if there is no such thing.
        """


Entry = TypeVar("Entry", bound=Keepable)


class CacheFolder(Generic[Entry]):
    """A file for every entry; the least recently used go first.

    A file is written whole or not at all, so processes may read and write at the same time. What cannot
    be written or read is as if it were not there: a run goes on without it, and says so once.

    Args:
        path: of the folder; made if it is not there.
        capacity_bytes: most bytes that the files may take.
        kind: of the entries.
    """

    def __init__(self, path: Path, capacity_bytes: int, kind: type[Entry]) -> None:
        self.path, self._capacity_bytes, self._kind = path, capacity_bytes, kind
        self._unchecked_bytes = 0
        self._writable = True

    def write(self, key: str, entry: Entry) -> None:
        """Keep ``entry`` under ``key``, which must be fit for a file name."""
        if not self._writable:
            return
        tensors, text = entry.to_parts()
        try:
            self._write(key, save(tensors, metadata={"text": text}))
        except OSError as error:
            self._writable = False
            _LOGGER.warning(
                "the trajectory cache takes no more, and the run goes on without: %s (%s)",
                error.strerror,
                self.path,
            )

    def read(self, key: str) -> Entry | None:
        """Return what is kept under ``key``; None if there is nothing, or nothing that can be read."""
        path = self.path / (key + _ENDING)
        try:
            with safe_open(path, "pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
                text = (file.metadata() or {})["text"]
            os.utime(path)
            return self._kind.from_parts(tensors, text)
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            _LOGGER.warning("the trajectory cache cannot read %s, and it is trained again: %s", path, error)
            return None

    def _write(self, key: str, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=self.path, suffix=_DRAFT, delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, self.path / (key + _ENDING))
            except BaseException:
                os.unlink(file.name)
                raise
        self._unchecked_bytes += len(content)
        if self._unchecked_bytes > self._capacity_bytes // 16:  # others write too: look now and then
            self._unchecked_bytes = 0
            self._make_room()

    def _make_room(self) -> None:
        """Delete what was used least recently, down to 7/8 of the capacity."""
        entries = []
        for entry in os.scandir(self.path):
            with suppress(FileNotFoundError):  # another process has deleted it
                if entry.name.endswith(_DRAFT) and time.time() - entry.stat().st_mtime > _STALE_SECONDS:
                    os.unlink(entry.path)
                elif entry.name.endswith(_ENDING) and entry.is_file():
                    entries.append((entry.stat().st_mtime_ns, entry.stat().st_size, entry.path))
        excess = sum(size for _, size, _ in entries) - self._capacity_bytes * 7 // 8
        for _, size, path in sorted(entries):
            if excess <= 0:
                return
            with suppress(FileNotFoundError):
                os.unlink(path)
            excess -= size
