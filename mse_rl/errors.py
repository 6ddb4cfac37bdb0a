"""The exceptions that mse-rl raises for a user's mistake, and the checks of settings that raise them.

    MseRlError
    ├── InvalidConfig           a setting that cannot be, or settings that contradict each other
    ├── InvalidArchitecture     an architecture that no child can have, or a file that holds none
    ├── InvalidTransformation   a transformation or target that does not exist or is not legal here
    ├── InvalidTask             a dataset that is unknown, missing, broken or too small
    ├── InvalidController       a rule or policy that is unknown, or does not fit this search space
    ├── InvalidRun              a run folder that exists already, or holds something else
    ├── WriteFailed             a file that cannot be written: the disk is full, or the folder is gone
    ├── WorkerLost              a worker process that was ended from outside, or as it started
    └── ChildFailed             a child that diverged, or ran out of memory or time, again and again

Every message says what was expected, what came, and what to do. The command line prints it as one
line and exits with code 2.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import fields
from difflib import get_close_matches
from functools import lru_cache
from math import inf
from numbers import Real
from operator import index
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints


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
    """A worker process that was ended from outside, most often because memory ran out, or as it started."""


class ChildFailed(MseRlError):
    """A child that diverged, or ran out of memory or time, again and again, where one was to be kept; or all
    that a policy was to learn from.
    """


def brief(text: object, width: int = 200) -> str:
    """Write what a user gave, without its middle if it is longer than ``width``.

    >>> brief("a" * 30 + "z" * 30, 11)
    'aaaaa…zzzzz'
    """
    written = str(text)
    half = width // 2
    return written if len(written) <= width else f"{written[:half]}…{written[-half:]}"


def counted(number: int, one: str, many: str = "") -> str:
    """Write a number with the noun for so many.

    >>> counted(1, "class", "classes"), counted(2000, "sample")
    ('1 class', '2,000 samples')
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


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


def fit_types(config: Any) -> None:
    """Check each field of a frozen dataclass that is being made by the field's annotation.

    What means the same is converted: a string to a path, NumPy's numbers to Python's, and a list to
    a tuple.

    Args:
        config: fields are annotated with int, float, bool, str, Path, Literal, a tuple of one of these or a
            class, and ``| None``.

    Raises:
        InvalidConfig: if a field is of another type.
    """
    hints = _hints(config.__class__)
    for field in fields(config):
        value, kind = getattr(config, field.name), hints[field.name]
        try:
            fitted = _fitted(kind, value)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last: no such home
            got = brief(" ".join(repr(value).split()), 80)
            raise InvalidConfig(f"`{field.name}` must be {_words(kind)}, got {got}") from error
        if fitted is not value:
            object.__setattr__(config, field.name, fitted)


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _fitted(kind: Any, value: Any) -> Any:
    """Return ``value`` as one of type ``kind``; raises TypeError or ValueError if it is none."""
    origin = get_origin(kind) or kind
    if origin in _FITS:
        return _FITS[origin](get_args(kind), value)
    if not isinstance(value, kind):
        raise TypeError
    return value


def _words(kind: Any) -> str:
    """Return the words for a type in messages."""
    origin, kinds = get_origin(kind) or kind, get_args(kind)
    if origin is UnionType:
        return " or ".join(_words(each) for each in kinds if each is not NoneType)
    if origin is Literal:
        return f"one of {', '.join(kinds)}"
    return _WORDS.get(origin) or f"of type {kind.__name__}"


def _number(_: tuple[Any, ...], value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError
    return value if isinstance(value, int | float) else float(value)


def _whole(_: tuple[Any, ...], value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return index(value)


def _union(kinds: tuple[Any, ...], value: Any) -> Any:
    """Return ``value`` as the first of these types that it fits."""
    *others, last = (kind for kind in kinds if kind is not NoneType)
    if value is None and NoneType in kinds:
        return None
    for kind in others:
        with suppress(TypeError, ValueError, OverflowError):
            return _fitted(kind, value)
    return _fitted(last, value)


def _literal(values: tuple[Any, ...], value: Any) -> Any:
    return values[values.index(value)]


def _tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    return tuple(_fitted(kinds[0], each) for each in value)


_FITS: dict[Any, Callable[[tuple[Any, ...], Any], Any]] = {
    UnionType: _union,
    Literal: _literal,
    tuple: _tuple,
    int: _whole,
    float: _number,
    Path: lambda _, value: Path(value).expanduser(),
}
_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "True or False",
    str: "a string",
    Path: "a path",
    tuple: "a tuple of strings",
}
