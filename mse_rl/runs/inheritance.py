"""A child grown before, as the start of another growth."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mse_rl.data import Task
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidRun
from mse_rl.networks import Child
from mse_rl.runs.child_files import load_child
from mse_rl.transformations import Renumbering


@dataclass(frozen=True)
class Inheritance:
    """A child to start from.

    Args:
        child: the network.
        task: name of the dataset that it was grown on.
        inputs: names of its tokens or features, in order; None if they have none.
        classes: names of its classes, in order; None if they have none.
    """

    child: Child
    task: str
    inputs: tuple[str, ...] | None
    classes: tuple[str, ...] | None

    def renumbering(self, task: Task) -> Renumbering:
        """Return what the numbers of ``task`` were for the child.

        Inputs without names mean what their place says. Classes without names are the same on the same
        dataset, and others on another one.
        """
        reader = InputReader.of_record(task.record)
        inputs = _numbers(self.inputs, reader.names)
        classes = _numbers(self.classes, reader.classes)
        named = self.classes is not None and reader.classes is not None
        if not named and task.name != self.task:
            classes = (-1,) * task.classes
        return Renumbering(inputs, classes)


def inheritance_of(child: Child, record: dict[str, Any]) -> Inheritance:
    """Return a copy of a child, in float32, as the start of another growth.

    Args:
        child: left as it is.
        record: of its growth, growth.json.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if that is no such record.
    """
    reader = InputReader.of_record(record["input"])
    return Inheritance(deepcopy(child).float(), str(record["task"]), reader.names, reader.classes)


def load_inheritance(folder: Path) -> Inheritance:
    """Return the child that ``mse-rl apply`` left in ``folder``. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    child, path = load_child(folder), folder / "growth.json"
    try:
        inherited = inheritance_of(child, json.loads(path.read_text(errors="replace")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidRun(f"expected the record of a child's growth in {path}, got: {error!r}") from error
    architecture = child.architecture
    _require_names(path, "inputs", inherited.inputs, architecture.vocabulary or architecture.input_size)
    _require_names(path, "classes", inherited.classes, architecture.classes)
    return inherited


def _numbers(before: Sequence[str] | None, after: Sequence[str] | None) -> tuple[int, ...] | None:
    """Return for each name the number that it had, -1 if it is new; None without names, or if all stay."""
    if before is None or after is None or before == after:
        return None
    known = {name: number for number, name in enumerate(before)}
    return tuple(known.get(name, -1) for name in after)


def _require_names(path: Path, what: str, names: tuple[str, ...] | None, count: int) -> None:
    if names is None:
        return
    if len(names) != count or not all(isinstance(name, str) for name in names):
        raise InvalidRun(f"expected the names of {count} {what} in {path}, got {len(names)}: {names[:3]!r} …")
