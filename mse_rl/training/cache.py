"""The trajectory cache: what was trained once is restored, not trained again."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Something that knows how much memory it takes."""

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""


Entry = TypeVar("Entry", bound=Sized)


class TrajectoryCache(Generic[Entry]):
    """A bounded map from what determines a child's state to that state; the least recent goes first.

    A child's state is a function of task, settings, seed and actions so far, so with the cache an
    episode is what it would have been without.

    Args:
        capacity_bytes: most memory that the entries may take; 0 keeps nothing.
    """

    def __init__(self, capacity_bytes: int) -> None:
        self._capacity_bytes = capacity_bytes
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self.size_bytes = 0
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable) -> Entry | None:
        """Return the entry, or None; and count which it was."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Hashable, entry: Entry) -> None:
        """Keep ``entry``, and drop the least recently used ones where memory is short."""
        previous = self._entries.pop(key, None)
        self.size_bytes += entry.size_bytes - (previous.size_bytes if previous else 0)
        self._entries[key] = entry
        while self.size_bytes > self._capacity_bytes:
            _, dropped = self._entries.popitem(last=False)
            self.size_bytes -= dropped.size_bytes
