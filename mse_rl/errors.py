"""The exceptions that mse-rl raises for a user's mistake.

    MseRlError
    ├── InvalidConfig           a setting that cannot be, or settings that contradict each other
    ├── InvalidArchitecture     an architecture that no child can have, or a file that holds none
    ├── InvalidTransformation   a transformation or target that does not exist or is not legal here
    ├── InvalidTask             a dataset that is unknown, missing, broken or too small
    ├── InvalidController       a rule or policy that is unknown, or does not fit this search space
    ├── InvalidRun              a run folder that exists already, or holds something else
    ├── WriteFailed             a file that cannot be written: the disk is full, or the folder is gone
    ├── WorkerLost              a worker process that was ended from outside, or as it started
    └── Diverged                a child that no longer gives finite numbers

Every message says what was expected, what came, and what to do. The command line prints it as one
line and exits with code 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from math import inf


class MseRlError(Exception):
    """Base of everything that mse-rl raises for a user's mistake."""


class InvalidConfig(MseRlError):
    """A setting that cannot be, or settings that contradict each other."""


class InvalidArchitecture(MseRlError):
    """An architecture that no child can have, or a file that holds none."""


class InvalidTransformation(MseRlError):
    """A transformation or target that does not exist or is not legal here."""


class InvalidTask(MseRlError):
    """A dataset that is unknown, missing, broken or too small."""


class InvalidController(MseRlError):
    """A rule or policy that is unknown, or does not fit this search space."""


class InvalidRun(MseRlError):
    """A run folder that exists already, or holds something else."""


class WriteFailed(MseRlError):
    """A file that cannot be written: the disk is full, or the folder is gone or read-only."""


class WorkerLost(MseRlError):
    """A worker process that was ended from outside, most often for want of memory, or as it started."""


class Diverged(MseRlError):
    """A child that no longer gives finite numbers, where one was to be kept."""


def brief(text: object, width: int = 200) -> str:
    """Write what a user gave, without its middle if it is longer than ``width``.

    >>> brief("a" * 30 + "z" * 30, 11)
    'aaaaa…zzzzz'
    """
    written = str(text)
    half = width // 2
    return written if len(written) <= width else f"{written[:half]}…{written[-half:]}"


def unknown_name(what: str, got: str, known: Iterable[str]) -> str:
    """Describe a name that is unknown, what is near to it, and what there is.

    >>> unknown_name("task", "digit", ["digits", "mnist"])
    "unknown task 'digit': did you mean 'digits'? Known: digits, mnist"
    """
    names = sorted(known)
    words = {name.partition(":")[0]: name for name in names}
    near = [words[word] for word in get_close_matches(got.lower(), words, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return f"unknown {what} {brief(got, 60)!r}: {hint}Known: {', '.join(names)}"


MOST = 10**18
"""More than any count can be."""
MOST_SEED = 2**32 - 1
"""NumPy's bound, which Stable-Baselines3 shares."""


def require(condition: bool, message: str) -> None:
    """Raise InvalidConfig with ``message`` unless ``condition`` holds."""
    if not condition:
        raise InvalidConfig(message)


def require_within(config: object, low: float, high: float, *names: str) -> None:
    """Raise unless each of these fields, where given, lies in [low, high]. NaN does not."""
    for name in names:
        value = getattr(config, name)
        require(
            value is None or low <= value <= high,
            f"`{name}` must lie between {low:g} and {high:g}, got {value}",
        )


def require_positive(config: object, *names: str) -> None:
    """Raise unless each of these fields, where given, is a positive number. NaN and infinity are not."""
    for name in names:
        value = getattr(config, name)
        require(value is None or 0 < value < inf, f"`{name}` must be positive, got {value}")
