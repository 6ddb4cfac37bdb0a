"""The door through which all files are loaded: regular, bounded, and as they were written.

Nothing is unpickled. Whatever a file holds, what leaves here is an exception of this package.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO, TypeVar

from mse_rl.errors import InvalidConfig, MseRlError, brief
from mse_rl.plain import parse_json

MOST_JSON_BYTES = 2**25
"""Of a JSON file; a vocabulary of 50,000 words takes 1 MB."""
SEAL = "sha256"
"""Where a file holds the digest of all else in it."""

Loaded = TypeVar("Loaded")
_ANY = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)
"""What building something of JSON that describes another thing may raise."""


@dataclass(frozen=True)
class FileKind:
    """What a file is expected to be.

    Args:
        what: it is, with its article.
        error: what is raised if it is something else.
        most_bytes: of the file.
        advice: what to do about a file that is something else.
    """

    what: str
    error: type[MseRlError]
    most_bytes: int = MOST_JSON_BYTES
    advice: str = "get it again"

    @contextmanager
    def open(self, path: Path) -> Iterator[BinaryIO]:
        """Open a file, which has to be a regular one: a pipe or a device might never end.

        Raises:
            MseRlError: the kind's, if there is none, it is too large, or what is read is something else: an
                OSError or ValueError that is raised meanwhile.
            UnicodeDecodeError: if one is raised meanwhile: another encoding may be the right one.
        """
        try:
            with open(path, "rb", opener=self._opener) as file:
                yield file
        except (FileNotFoundError, NotADirectoryError) as error:
            raise self.error(f"expected {self.what}, got no file at {brief(path)}: check the path") from error
        except UnicodeDecodeError:
            raise
        except (OSError, ValueError) as error:
            raise self.broken(path, error) from error

    def _opener(self, path: str, flags: int) -> int:
        """Open without waiting for somebody to write into a pipe, and look what it is."""
        file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
        try:
            self._check(path, os.fstat(file))
        except MseRlError:
            os.close(file)
            raise
        return file

    def _check(self, path: str, status: os.stat_result) -> None:
        if not S_ISREG(status.st_mode):
            other = "a folder" if S_ISDIR(status.st_mode) else "a pipe or a device"
            raise self.error(f"expected {self.what}, got {other} at {brief(path)}: give a regular file")
        if status.st_size > self.most_bytes:
            raise self.error(
                f"expected {self.what} of at most {self.most_bytes:,} bytes, got {status.st_size:,} at "
                f"{brief(path)}: {self.advice}"
            )

    def broken(self, path: Path, error: Exception) -> MseRlError:
        """Return the complaint about what is in a file."""
        said = getattr(error, "strerror", None) or str(error)
        reason = brief(" ".join(said.split()) or type(error).__name__)
        return self.error(
            f"expected {self.what}, got something else ({reason}) at {brief(path)}: {self.advice}"
        )

    def require(self, path: Path) -> None:
        """Raise unless a file can be opened."""
        with self.open(path):
            pass

    def read(self, path: Path) -> bytes:
        """Return the bytes of a file."""
        with self.open(path) as file:
            content = file.read(self.most_bytes + 1)
            if len(content) > self.most_bytes:  # it grows, or the system does not say how large it is
                raise ValueError(f"more than {self.most_bytes:,} bytes")
            return content

    def text(self, path: Path) -> str:
        """Return the text of a file, in UTF-8."""
        content = self.read(path)
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.broken(path, error) from error

    def load(self, path: Path, build: Callable[[Any], Loaded], *, may_differ: bool = False) -> Loaded:
        """Return what ``build`` makes of the JSON in a file.

        Args:
            path: of the file.
            build: gets what is in it.
            may_differ: whether it may have been edited since it was written; else, if ``sealed`` has added a
                digest, it has to be right.

        Raises:
            MseRlError: the kind's, if it is no such JSON; or what ``build`` raises of this package.
        """
        content = self.read(path)
        try:
            data = parse_json(content)
            seal = data.pop(SEAL, None) if isinstance(data, dict) else None
            right = seal is None or seal == _digest(data)
            loaded = build(data)
        except _ANY as error:
            raise self.broken(path, error) from error
        if not (right or may_differ):
            raise self.changed(path, f"; if you have changed it, take its {SEAL} out")
        return loaded

    def changed(self, path: Path, hint: str = "") -> MseRlError:
        """Return the complaint about a file whose digest is another one than it says."""
        return self.error(
            f"expected {self.what} as it was written, got other bytes at {brief(path)}: {self.advice}{hint}"
        )


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """Return plain data with their digest, for a JSON file that has to stay as it is."""
    return data | {SEAL: _digest(json.loads(json.dumps(data, default=plain_path)))}


def plain_path(value: object) -> str:
    """Return a path as JSON has it: for ``json.dumps(default=…)``."""
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected plain data, got {value!r}")


def _digest(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def named_path(argument: str | Path, error: type[MseRlError] = InvalidConfig) -> Path:
    """Return the path that a user has written, ``~`` being a home.

    Args:
        argument: what was written.
        error: what is raised if there is no such home.
    """
    try:
        return Path(argument).expanduser()
    except RuntimeError as reason:
        raise error(f"expected a path, got {brief(argument)} ({reason}): write it out") from reason


def is_file(path: Path) -> bool:
    """Tell whether there is a regular file at ``path``, whatever it may be."""
    return S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder at ``path``, whatever it may be."""
    return S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    """Return the type and permissions of what is at ``path``, or 0 if nothing can be."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # too long a name; a null byte in it
        return 0
