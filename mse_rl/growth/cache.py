"""The prefix cache: a child's state is a function of task, settings, seed and the actions so far.

It is kept in memory, and in a folder that the processes of a machine share, or that outlives a run.
"""

import hashlib
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar
from uuid import uuid4

import torch
from torch import Tensor

from mse_rl.config.training import ExpansionConfig
from mse_rl.errors import InvalidRun
from mse_rl.files import FileKind
from mse_rl.growth.state import CacheEntry
from mse_rl.networks import Child
from mse_rl.tensors import MOST_TENSOR_BYTES, Tensors, read_tensors, write_packed

_LOGGER = logging.getLogger(__name__)
_ENDING, _DRAFT = ".safetensors", ".part"
_ENTRY = FileKind("an entry of the prefix cache", InvalidRun, MOST_TENSOR_BYTES)
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
        """Rebuild the entry from what ``to_parts`` returned.

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
        capacity_bytes: maximum size of all files together.
        kind: of the entries.
    """

    def __init__(self, path: Path, capacity_bytes: int, kind: type[Entry]) -> None:
        self.path, self._capacity_bytes, self._kind = path, capacity_bytes, kind
        self._unchecked_bytes = 0
        self._writable = True

    def write(self, key: str, entry: Entry) -> None:
        """Store ``entry`` under ``key``, which must be a valid file name."""
        if not self._writable:
            return
        try:
            self._write(key, *entry.to_parts())
        except OSError as error:
            self._writable = False
            _LOGGER.warning(
                "the prefix cache takes no more, and the run goes on without: %s (%s)",
                error.strerror,
                self.path,
            )

    def read(self, key: str) -> Entry | None:
        """Return the entry under ``key``; None if there is none, or it cannot be read."""
        path = self.path / (key + _ENDING)
        try:
            parts = read_tensors(path, _ENTRY, needs_digest=True)
            os.utime(path)
            return self._kind.from_parts(*parts)
        except (InvalidRun, OSError, ValueError) as error:
            if isinstance(error.__cause__ or error, FileNotFoundError | NotADirectoryError):
                return None
            _LOGGER.warning("the prefix cache cannot read %s, and it is trained again: %s", path, error)
            return None

    def _write(self, key: str, tensors: Tensors, text: str) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        draft = self.path / f"{uuid4().hex}{_DRAFT}"
        try:
            write_packed(draft, tensors, text)
            draft.replace(self.path / (key + _ENDING))
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        self._unchecked_bytes += sum(tensor.nbytes for tensor in tensors.values()) + len(text)
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


class PrefixCache(Generic[Entry]):
    """A bounded map from what determines a child's state to that state; the least recent goes first.

    A child's state is a function of task, settings, seed and actions so far, so with the cache an
    episode is what it would have been without.

    Args:
        capacity_bytes: maximum memory of all entries together; 0 keeps none in memory.
        folder: what other processes share, and where memory does not hold an entry.
        shares_all: write every entry to the folder, instead of those that ``share`` is called for.
    """

    def __init__(
        self,
        capacity_bytes: int,
        *,
        folder: CacheFolder[Entry] | None = None,
        shares_all: bool = False,
    ) -> None:
        self._capacity_bytes = capacity_bytes
        self._folder, self._shares_all = folder, shares_all
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self.size_bytes = 0
        self.hits, self.misses = 0, 0

    def get(self, key: str) -> Entry | None:
        """Return the entry, or None; and count which it was."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        elif self._folder is not None:
            entry = self._folder.read(key)
            if entry is not None:
                self._hold(key, entry)
        self.hits += entry is not None
        self.misses += entry is None
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Store ``entry``, and drop the least recently used ones where memory is short."""
        self._hold(key, entry)
        if self._folder is not None and self._shares_all:
            self._folder.write(key, entry)

    def share(self, key: str) -> None:
        """Share with other processes an entry that memory still holds."""
        entry = self._entries.get(key)
        if entry is not None and self._folder is not None and not self._shares_all:
            self._folder.write(key, entry)

    def _hold(self, key: str, entry: Entry) -> None:
        previous = self._entries.pop(key, None)
        self.size_bytes += entry.size_bytes - (previous.size_bytes if previous else 0)
        self._entries[key] = entry
        while self.size_bytes > self._capacity_bytes:
            _, dropped = self._entries.popitem(last=False)
            self.size_bytes -= dropped.size_bytes


@lru_cache(maxsize=1)
def _code() -> str:
    """Return a digest of this package's source: what is kept was computed by it, and by no other."""
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()


@lru_cache(maxsize=1)
def _gpus() -> tuple[str, ...]:
    """Return the names of the GPUs that there are, and the releases of what computes on them."""
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if not names:
        return ()
    return str(torch.version.cuda), str(torch.backends.cudnn.version()), *names  # type: ignore[no-untyped-call]


def digest(*what: Any) -> str:
    """Return a key of values whose ``repr`` tells all about them.

    Arithmetic is part of it: another version of this package, another release of torch, other threads or
    processors may compute something else.
    """
    torch_arithmetic = (torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads())
    arithmetic = (_code(), torch_arithmetic, _gpus())
    return hashlib.sha256(repr((arithmetic, what)).encode()).hexdigest()


def digest_of_child(child: Child | None) -> str:
    """Return a key of a child's architecture and weights."""
    if child is None:
        return ""
    content = hashlib.sha256(child.architecture.to_json().encode())
    for name, tensor in child.state_dict().items():
        content.update(name.encode())
        content.update(tensor.cpu().contiguous().numpy().data)
    return content.hexdigest()


class PrefixKey(Generic[Entry]):
    """The decisions of a process so far, as one key after each, and what a cache keeps under them.

    Args:
        origin: key of what determines the first child.
        cache: what is kept of this and other processes; nothing if not given.
    """

    def __init__(self, origin: str, cache: PrefixCache[Entry] | None) -> None:
        self._keys, self._cache = [origin], cache

    @property
    def keeps(self) -> bool:
        """Whether there is a cache."""
        return self._cache is not None

    def extend(self, decision: object) -> None:
        """Append a decision."""
        self._keys.append(digest(self._keys[-1], decision))

    def mark(self, what: object) -> None:
        """Tell this point from the one that the same decisions lead to where nothing goes wrong."""
        self._keys[-1] = digest(self._keys[-1], what)

    def lookup(self) -> Entry | None:
        """Return the cached entry of this point."""
        return self._cache.get(self._keys[-1]) if self._cache is not None else None

    def advance_to_known(self, path: Sequence[object]) -> tuple[int, Entry | None]:
        """Advance along ``path`` to the furthest point that is cached.

        Returns:
            How many decisions that was, and what is kept there; 0 and None if there is none.
        """
        ahead = list(accumulate(path, digest, initial=self._keys[-1]))
        for decisions in range(len(path), -1, -1):
            entry = self._cache.get(ahead[decisions]) if self._cache is not None else None
            if entry is not None:
                self._keys += ahead[1 : decisions + 1]
                return decisions, entry
        return 0, None

    def remember(self, entry: Entry) -> None:
        """Store the entry of this point."""
        if self._cache is not None:
            self._cache.put(self._keys[-1], entry)

    def share(self, decisions: int) -> None:
        """Share with other processes the entry of the point after that many decisions."""
        if self._cache is not None and decisions < len(self._keys):
            self._cache.share(self._keys[decisions])


SHARED_PART = 4
"""One part in so many of what each worker has goes to the folder that they share: files are smaller."""


def make_cache(config: ExpansionConfig, shared: Path | None = None) -> PrefixCache[CacheEntry] | None:
    """Return the cache of one process; None if neither memory nor a folder is given to it.

    Args:
        config: says how much memory, and which folder is to be kept.
        shared: a folder that the workers of a run share, for as long as it lasts; for what other workers will
            need. It is not used where the configuration names one: all is kept in that.
    """
    capacity_bytes = config.cache_mb << 20
    if not capacity_bytes and config.cache_dir is None:
        return None
    path = config.cache_dir or shared
    if path is None:
        return PrefixCache(capacity_bytes)
    folder_bytes = config.cache_dir_mb << 20 if config.cache_dir else capacity_bytes // SHARED_PART
    folder = CacheFolder(path, folder_bytes, CacheEntry)
    return PrefixCache(capacity_bytes, folder=folder, shares_all=config.cache_dir is not None)
