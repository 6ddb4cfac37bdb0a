"""Whether the workers that were asked for fit into memory, before they start."""

from pathlib import Path

from mse_rl.config import TrainConfig
from mse_rl.errors import InvalidConfig

WORKER_BYTES = 500 << 20
"""What a worker takes for itself, beside its cache: measured on Linux with torch 2.14."""
_MEMINFO = Path("/proc/meminfo")


def require_memory(config: TrainConfig, free_bytes: int | None) -> None:
    """Raise if the workers are estimated to need more memory than there is.

    Args:
        config: of the run.
        free_bytes: what is free; None if it is not known, and then nothing is raised.

    Raises:
        InvalidConfig: if they do.
    """
    each = WORKER_BYTES + (2 * config.env.cache_mb << 20)  # as much again in what the workers share
    if free_bytes is not None and config.workers * each > free_bytes:
        raise InvalidConfig(
            f"{config.workers} workers need about {config.workers * each >> 20:,} MiB of memory, and "
            f"{free_bytes >> 20:,} MiB are free: "
            f"lower --workers to {max(1, free_bytes // each)} or --cache-mb"
        )


def free_memory() -> int | None:
    """Return the bytes that new processes can have; None where the system does not tell."""
    if not _MEMINFO.is_file():
        return None
    lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) << 10 if "MemAvailable" in lines else None
