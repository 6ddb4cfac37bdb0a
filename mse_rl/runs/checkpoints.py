"""Checkpoints of a training run: what it takes to go on as if nothing had happened. Nothing is unpickled."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from mse_rl.agents.evaluation import Figures
from mse_rl.data.sources import Tell
from mse_rl.errors import InvalidRun
from mse_rl.files import FileKind
from mse_rl.plain import from_plain, parse_json, to_plain
from mse_rl.runs.folders import make_folder, write_bytes
from mse_rl.tensors import MOST_TENSOR_BYTES, packed, read_tensors

KEPT = 3
"""Checkpoints that a run keeps: where the last one is damaged, the one before it is used."""
_ENDING = ".safetensors"
_CHECKPOINT = FileKind("a checkpoint", InvalidRun, MOST_TENSOR_BYTES, "it is passed over")


@dataclass(frozen=True)
class Checkpoint:
    """What a training run was after an update of the policy, or a context of the comparison at its end.

    Args:
        learner: tensors; see ``GroupedPPO.capture``.
        tasks: fingerprints of the tasks.
        lengths: bytes of each file that is added to.
        compared: figures of the comparison so far; none before it.
    """

    learner: dict[str, Tensor]
    tasks: tuple[str, ...]
    lengths: dict[str, int]
    compared: Figures = field(default_factory=dict)


@dataclass(frozen=True)
class _Known:
    """What of a checkpoint is no tensor."""

    tasks: tuple[str, ...]
    lengths: dict[str, int]
    compared: Figures


class Checkpoints:
    """The checkpoints of a run, in a folder: each is written whole or not at all, and the last ones are kept.

    Args:
        folder: of them; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._number = folder, 0

    def write(self, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint as the newest one.

        Raises:
            WriteFailed: if it cannot be written; those before it are there still.
        """
        make_folder(self._folder)
        self._number += 1
        known = _Known(checkpoint.tasks, checkpoint.lengths, checkpoint.compared)
        content = packed(checkpoint.learner, json.dumps(to_plain(known)))
        write_bytes(self._folder / f"{self._number:08d}{_ENDING}", content)
        for number, path in self._files():
            if number <= self._number - KEPT:
                path.unlink(missing_ok=True)

    def newest(self, tell: Tell) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None if there is none at all.

        Args:
            tell: gets a line for each that is damaged.

        Raises:
            InvalidRun: if all are damaged.
        """
        files = self._files()
        for number, path in reversed(files):
            try:
                checkpoint = _read(path)
            except InvalidRun:
                tell(f"{path} is damaged, and is not used")
                continue
            self._number = number
            return checkpoint
        if files:
            raise InvalidRun(f"expected a whole checkpoint in {self._folder}, got damaged ones: begin anew")
        return None

    def _files(self) -> list[tuple[int, Path]]:
        paths = self._folder.glob(f"*{_ENDING}")
        return sorted((int(path.stem), path) for path in paths if path.stem.isdecimal())


def _read(path: Path) -> Checkpoint:
    """Return the checkpoint in a file.

    Raises:
        InvalidRun: if there is none, or it is damaged.
    """
    tensors, text = read_tensors(path, _CHECKPOINT, needs_digest=True)
    try:
        known: _Known = from_plain(_Known, parse_json(text.encode()))
    except (ValueError, TypeError, LookupError) as error:
        raise _CHECKPOINT.broken(path, error) from error
    return Checkpoint(tensors, known.tasks, known.lengths, known.compared)
