"""The trajectory cache: what was trained once is restored, not trained again."""

from collections import OrderedDict
from typing import Generic

from mse_rl.training.cache_folder import CacheFolder, Entry


class TrajectoryCache(Generic[Entry]):
    """A bounded map from what determines a child's state to that state; the least recent goes first.

    A child's state is a function of task, settings, seed and actions so far, so with the cache an
    episode is what it would have been without.

    Args:
        capacity_bytes: most memory that the entries may take; 0 keeps none in memory.
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
        """Keep ``entry``, and drop the least recently used ones where memory is short."""
        self._hold(key, entry)
        if self._folder is not None and self._shares_all:
            self._folder.write(key, entry)

    def share(self, key: str) -> None:
        """Let other processes find an entry that memory still holds."""
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
