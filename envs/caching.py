"""The trajectory cache that a configuration asks for."""

from pathlib import Path

from mse_rl.config import ExpansionConfig
from mse_rl.growth_state import CacheEntry
from mse_rl.training import CacheFolder, TrajectoryCache

SHARED_PART = 4
"""One part in so many of what each worker has goes to the folder that they share: files are smaller."""


def make_cache(config: ExpansionConfig, shared: Path | None = None) -> TrajectoryCache[CacheEntry] | None:
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
        return TrajectoryCache(capacity_bytes)
    folder_bytes = config.cache_dir_mb << 20 if config.cache_dir else capacity_bytes // SHARED_PART
    folder = CacheFolder(path, folder_bytes, CacheEntry)
    return TrajectoryCache(capacity_bytes, folder=folder, shares_all=config.cache_dir is not None)
