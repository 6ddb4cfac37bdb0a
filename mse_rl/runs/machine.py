"""What this machine has: devices, and memory for the workers that were asked for."""

import shutil
from dataclasses import replace
from math import ceil
from pathlib import Path

import torch

from mse_rl.config.commands import TrainConfig, workers_of
from mse_rl.costs import training_bytes
from mse_rl.costs.measures import measure_of
from mse_rl.data import Task
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, counted
from mse_rl.growth.cache import SHARED_PART
from mse_rl.spec import FAMILIES, KINDS, Architecture, Block, SearchSpace

DEVICE_KINDS = ("cpu", "cuda")


def check_devices(training: str, latency: str | None) -> None:
    """Raise if children cannot be trained on the one, or their latency measured on the other, where given.

    Raises:
        InvalidConfig: if there is no such device.
    """
    _check(training, "device")
    if latency is not None:
        _check(latency, "latency_device")


def _check(name: str, setting: str) -> None:
    try:
        if torch.device(name).type not in DEVICE_KINDS:
            raise RuntimeError(f"it is none of {', '.join(DEVICE_KINDS)}")
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        message = f"device {name!r} cannot be used here: {reason}; try cpu as `{setting}`"
        raise InvalidConfig(message) from error


WORKER_BYTES = 500 << 20
"""What a worker takes for itself, beside its cache and its child: measured on Linux with torch 2.14."""
SHARED = Path("/dev/shm")
"""Where Linux keeps what processes share."""


def require_memory(config: TrainConfig, child_bytes: int, free_bytes: int | None) -> None:
    """Raise if the workers are estimated to need more memory than there is; of a cluster nothing is known.

    Args:
        config: of the run.
        child_bytes: what the largest child takes while it trains.
        free_bytes: what is free; None if it is not known, and then nothing is raised.

    Raises:
        InvalidConfig: if they do.
    """
    cache_bytes = config.env.cache_mb << 20
    shared_bytes = cache_bytes // SHARED_PART if config.env.cache_dir is None else 0  # that is in memory
    each = WORKER_BYTES + cache_bytes + shared_bytes + child_bytes
    on_ray, workers = workers_of(config.workers)
    if not on_ray and workers and free_bytes is not None and workers * each > free_bytes:
        fitting = free_bytes // each
        raise InvalidConfig(
            f"about {workers * each >> 20:,} MiB of memory are needed for {counted(workers, 'worker')}, and "
            f"{free_bytes >> 20:,} MiB are free: "
            + (f"lower `workers` to {fitting} or `cache_mb`" if fitting else "lower `cache_mb` or the budget")
        )


def require_shared_memory(tasks: tuple[Task, ...], free_bytes: int | None) -> None:
    """Raise if the datasets do not fit into what processes can share.

    Args:
        tasks: the datasets; those on a GPU take none of it.
        free_bytes: what is free; None if it is not known, and then nothing is raised.

    Raises:
        InvalidConfig: if they do not.
    """
    splits = [split for task in tasks for split in (task.train, task.validation, task.test)]
    needed = sum(t.nbytes for split in splits for t in (split.x, split.y) if t.device.type == "cpu")
    if free_bytes is not None and needed > free_bytes:
        raise InvalidConfig(
            f"workers share {needed >> 20:,} MiB of data, and {free_bytes >> 20:,} MiB are free in {SHARED}: "
            "lower `max_train`, or give a container more (--shm-size)"
        )


def free_shared_memory() -> int | None:
    """Return the bytes that are free for what processes share; None where the system does not say."""
    return shutil.disk_usage(SHARED).free if SHARED.is_dir() else None


def largest_child_bytes(env: ExpansionEnv) -> int:
    """Return an estimate of what a child takes on the CPU while it trains, if it fills its budget.

    Its memory is taken to grow with what is priced, up to that of a child at the bounds of the search space:
    wider blocks hold fewer values for each FLOP, and latency grows more slowly.
    """
    config = env.config
    if config.device != "cpu":
        return 0
    largest = 0
    for index in range(len(env.tasks)):
        context = Context(
            index, 0, config.budget.budget_high, config.growth.passes_high, config.growth.width_high
        )
        first = env.first_architecture(context)
        times = env.budget(context).cost_budget / measure_of(config.budget.cost).cost(first, env.meter)
        grown = ceil(times * training_bytes(first, config.growth.batch_size))
        bound = training_bytes(_at_bounds(first, config.space), config.growth.batch_size)
        largest = max(largest, min(grown, bound))
    budget = config.growth.memory_budget
    return largest if budget is None else min(largest, budget)


def _at_bounds(first: Architecture, space: SearchSpace) -> Architecture:
    """Return the largest architecture of the search space; blocks are added where they cost most."""

    def widest(block: Block) -> Block:
        kernel = space.max_kernel - 1 + space.max_kernel % 2 if KINDS[block.kind].kernels else block.kernel
        return replace(
            block,
            inner=max(block.inner, space.max_width // block.head_width * block.head_width),
            kernel=max(block.kernel, kernel),
        )

    stages = [
        replace(stage, width=max(stage.width, space.max_width), blocks=tuple(map(widest, stage.blocks)))
        for stage in first.stages
    ]
    more = max(0, space.max_blocks - first.depth)
    own = Block(FAMILIES[first.family].kinds[0], space.max_width)
    stages[0] = replace(stages[0], blocks=stages[0].blocks + (*stages[0].blocks, widest(own))[:1] * more)
    return replace(first, stages=tuple(stages))


def free_memory(root: Path = Path("/")) -> int | None:
    """Return the bytes that new processes can have; None where the system does not say.

    Args:
        root: of the file system that tells: ``proc`` what the machine has, and ``sys`` what a container may
            take of it.
    """
    meminfo = root / "proc/meminfo"
    available = _numbers(meminfo.read_text()).get("MemAvailable") if meminfo.is_file() else None
    free = [] if available is None else [available << 10]
    group = root / "sys/fs/cgroup"
    if (group / "memory.max").is_file() and (most := (group / "memory.max").read_text().strip()) != "max":
        held = int((group / "memory.current").read_text())
        cached = _numbers((group / "memory.stat").read_text()).get("inactive_file", 0)
        free.append(int(most) - held + cached)  # what files have cached is given back where it is needed
    return min(free, default=None)


def _numbers(text: str) -> dict[str, int]:
    """Return the whole numbers of lines of a name and a number."""
    fields = (line.replace(":", " ").split() for line in text.splitlines())
    return {field[0]: int(field[1]) for field in fields if len(field) > 1 and field[1].isdigit()}
