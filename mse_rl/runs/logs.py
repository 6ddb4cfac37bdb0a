"""The files that a run adds to as it goes on, episode by episode: they can be cut back to what they were at a
checkpoint.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from stable_baselines3.common.logger import KVWriter
from tensorboard.compat.proto.event_pb2 import Event  # type: ignore[import-untyped]
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from tensorboard.summary.writer.record_writer import RecordWriter  # type: ignore[import-untyped]

from mse_rl.agents.controller import Episode
from mse_rl.envs.actions import ActionTable
from mse_rl.errors import InvalidRun
from mse_rl.runs.folders import make_folder, writing


class Log:
    """A file that bytes are added to.

    Args:
        path: of the file.
        length: bytes of it that stay; what is behind them is cut off.

    Raises:
        InvalidRun: if it has less.
        WriteFailed: if it cannot be written.
    """

    def __init__(self, path: Path, length: int) -> None:
        self._path = path
        make_folder(path.parent)
        got = path.stat().st_size if path.is_file() else 0
        if got < length:
            raise InvalidRun(
                f"expected {path} as the run has left it, of {length:,} bytes, got {got:,}: get it back, or "
                "begin anew"
            )
        with writing(path):
            self._file = path.open("ab")
            self._file.truncate(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._path):
            self._file.close()

    def write(self, content: bytes) -> None:
        """Add to the file, where others see it at once."""
        with writing(self._path):
            self._file.write(content)
            self._file.flush()

    def kept_length(self) -> int:
        """Return the length of the file, once all of it is on disk."""
        with writing(self._path):
            os.fsync(self._file.fileno())
            return os.fstat(self._file.fileno()).st_size


class EventFile(KVWriter):
    """TensorBoard's file of a run, in the same format as PyTorch's ``SummaryWriter`` writes.

    That begins a new file each time, which TensorBoard reads late, and writes it in a thread of its own,
    where nobody hears of a full disk.

    Args:
        log: the file.
        begins: whether nothing is in it yet.
    """

    def __init__(self, log: Log, *, begins: bool) -> None:
        self._records = RecordWriter(log)
        if begins:
            self._write(file_version="brain.Event:2")

    def add(self, summary: Summary, step: int = 0) -> None:
        """Write a summary: scalars, a text, a picture."""
        self._write(summary=summary, step=step)

    def write(
        self, key_values: Mapping[str, Any], key_excluded: Mapping[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Write the numbers that Stable-Baselines3's logger has recorded for TensorBoard."""
        shown = {
            name: float(value)
            for name, value in key_values.items()
            if "tensorboard" not in (key_excluded[name] or ())
        }
        self.add(scalars(shown), step)

    def close(self) -> None:
        """Leave the file open, as a ``KVWriter`` may: who has opened it closes it."""

    def _write(self, **content: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())


def scalars(values: Mapping[str, float]) -> Summary:
    """Return numbers, by their tags, as TensorBoard's event has them."""
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def line_of(episode: Episode) -> bytes:
    """Return what ``episodes.jsonl`` keeps of an episode."""
    final = episode.final
    kept = {
        "return": episode.total_return,
        **{key: final[key] for key in _KEPT if key in final},
        "faults": [info["fault"] for info in episode.infos if info["fault"]],
        "seed": episode.context.seed,
        "decisions": [[info["transformation"], info["target"]] for info in episode.infos],
    }
    return f"{json.dumps(kept)}\n".encode()


_KEPT = (
    "task",
    "utility",
    "skill",
    "flops",
    "params",
    "latency_ms",
    "latency_spread_ms",
    "cost_measure",
    "cost",
    "cost_budget",
    "training_flops",
    "failed",
)
"""What ``episodes.jsonl`` has of the info at an episode's end; latencies where they are measured."""


def scalars_of(episode: Episode, actions: ActionTable) -> dict[str, float]:
    """Return what TensorBoard shows of an episode, by its tags.

    Args:
        episode: to show.
        actions: what the numbers of its actions stand for.
    """
    final, names = episode.final, [info["transformation"] for info in episode.infos]
    legal = actions.legal_anywhere(np.array(episode.masks))
    return {
        "episode/return": episode.total_return,
        "episode/utility": final["utility"],
        "episode/validation_skill": final["skill"],
        "episode/flops": final["flops"],
        "episode/cost": final["cost"],
        "episode/cost_share_of_budget": final["cost"] / final["cost_budget"],
        "episode/training_flops": final["training_flops"],
        "episode/length": len(episode.actions),
        "episode/faults": sum(info["fault"] is not None for info in episode.infos),
        **{
            f"reward/{name}": value - episode.start["terms"].get(name, 0.0)
            for name, value in final["terms"].items()
        },
        **{f"chosen/{name}": names.count(name) / len(names) for name in actions.operations},
        **{f"legal/{name}": float(at.mean()) for name, at in legal.items()},
    }
