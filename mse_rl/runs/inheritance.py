"""A child grown before, as the start of another growth."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mse_rl.data import Task
from mse_rl.errors import InvalidRun
from mse_rl.networks import Child
from mse_rl.runs.child_files import load_child


@dataclass(frozen=True)
class Inheritance:
    """A child to start from.

    Args:
        child: the network.
        encoding: how its inputs were encoded, as in ``Task.encoding``; empty for numbers.
    """

    child: Child
    encoding: dict[str, Any]

    def origins(self, task: Task) -> tuple[int, ...] | None:
        """Return for each token or feature of ``task`` the one that it was for the child, -1 if it is
        new; None where inputs have no names, and mean what their place says.
        """
        before, after = _names(self.encoding), _names(task.encoding)
        if before is None or after is None:
            return None
        known = {name: index for index, name in enumerate(before)}
        return tuple(known.get(name, -1) for name in after)


def load_inheritance(folder: Path) -> Inheritance:
    """Return the child that ``mse-rl apply`` left in ``folder``. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    child, path = load_child(folder), folder / "growth.json"
    try:
        encoding = json.loads(path.read_text(errors="replace"))["input"]["encoding"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"expected the record of a child's growth in {path}, got: {error!r}") from error
    if not isinstance(encoding, dict):
        raise InvalidRun(f"expected an encoding in {path}, got {encoding!r}")
    return Inheritance(child, encoding)


def _names(encoding: dict[str, Any]) -> list[str] | None:
    """Return the names of tokens or features, in order; None if they have none."""
    reads = encoding.get("reads")
    if reads == "text":
        return ["padding ", "unknown ", *encoding["words"]]  # no word ends in a space
    if reads == "table":
        categories = encoding["categorical"].items()
        return [
            *encoding["numeric"],
            *(f"{column}={value}" for column, known in categories for value in known),
        ]
    return None
