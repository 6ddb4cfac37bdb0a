"""Where a growth process stands: a key for all that has determined its child so far."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic

import torch

from mse_rl.networks import Child
from mse_rl.training.cache import TrajectoryCache
from mse_rl.training.cache_folder import Entry


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


class Trajectory(Generic[Entry]):
    """The decisions of a process so far, as one key after each, and what a cache keeps under them.

    Args:
        origin: key of what determines the first child.
        cache: what is kept of this and other processes; nothing if not given.
    """

    def __init__(self, origin: str, cache: TrajectoryCache[Entry] | None) -> None:
        self._keys, self._cache = [origin], cache

    @property
    def keeps(self) -> bool:
        """Whether there is a cache."""
        return self._cache is not None

    def go(self, decision: object) -> None:
        """Go on by one decision."""
        self._keys.append(digest(self._keys[-1], decision))

    def recall(self) -> Entry | None:
        """Return what is kept of this point."""
        return self._cache.get(self._keys[-1]) if self._cache is not None else None

    def leap(self, path: Sequence[object]) -> tuple[int, Entry | None]:
        """Go on along ``path`` to the furthest point that something is kept of.

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
        """Keep what became of this point."""
        if self._cache is not None:
            self._cache.put(self._keys[-1], entry)

    def share(self, decisions: int) -> None:
        """Let other processes find what is kept of the point after that many decisions."""
        if self._cache is not None and decisions < len(self._keys):
            self._cache.share(self._keys[decisions])
