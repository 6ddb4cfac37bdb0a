"""Latencies in a folder: the processes of a run agree on what an architecture takes. No torch here."""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from mse_rl.architecture import Architecture
from mse_rl.errors import InvalidRun
from mse_rl.measures import Latency
from mse_rl.plain import from_plain, to_plain


class LatencyFolder:
    """A file for every architecture, written once, whole, by the first process that has measured it.

    Args:
        path: of the folder, which is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def settle(self, architecture: Architecture, measure: Callable[[], Latency]) -> Latency:
        """Return what was measured first; measure it, if nobody has.

        Raises:
            InvalidRun: if it cannot be written: processes that disagree cannot go on from each other's
                children.
        """
        file = self._path / f"{hashlib.sha256(architecture.to_json().encode()).hexdigest()}.json"
        if file.exists():
            return _read(file)
        try:
            self._write(file, measure())
        except OSError as error:
            raise InvalidRun(
                f"workers have to share latencies, and {self._path} takes no file: {error.strerror}"
            ) from error
        return _read(file)

    def _write(self, file: Path, latency: Latency) -> None:
        with NamedTemporaryFile("w", dir=self._path, delete=False) as draft:
            try:
                json.dump(to_plain(latency), draft)
                draft.close()
                with suppress(FileExistsError):  # another was first
                    os.link(draft.name, file)
            finally:
                os.unlink(draft.name)


def _read(file: Path) -> Latency:
    latency: Latency = from_plain(Latency, json.loads(file.read_text()))
    return latency
