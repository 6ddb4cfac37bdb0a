"""Files and folders that a user names: where they are, and that they are what they should be."""

from pathlib import Path
from stat import S_ISDIR, S_ISREG

from mse_rl.errors import InvalidTask, brief


def named_path(argument: str) -> Path:
    """Return the path that a user has written, ``~`` being a home.

    Raises:
        InvalidTask: there is no such home.
    """
    try:
        return Path(argument).expanduser()
    except RuntimeError as error:
        raise InvalidTask(f"expected a path, got {brief(argument)} ({error}): write it out") from error


def require_file(path: Path, what: str) -> None:
    """Check that a file is there, and a regular one: a pipe or a device might never end.

    Args:
        path: of the file.
        what: it is expected to be, with its article.

    Raises:
        InvalidTask: it is not.
    """
    if not (mode := _mode(path)):
        raise InvalidTask(f"expected {what}, got no file at {brief(path)}: check the path")
    if not S_ISREG(mode):
        other = "a folder" if S_ISDIR(mode) else "a pipe or a device"
        raise InvalidTask(f"expected {what}, got {other} at {brief(path)}: give a regular file")


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder at ``path``, whatever it may be."""
    return S_ISDIR(_mode(path))


def _mode(path: Path) -> int:
    """Return the type and permissions of what is at ``path``, or 0 if nothing can be."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):  # too long a name; a null byte in it
        return 0
