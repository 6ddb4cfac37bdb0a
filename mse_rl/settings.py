"""Settings from Python are made what their annotations say; the command line's are already."""

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from numbers import Real
from operator import index
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mse_rl.errors import InvalidConfig, brief


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
    """Return what messages call a type."""
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
    if value is None and NoneType in kinds:
        return None
    (kind,) = (each for each in kinds if each is not NoneType)
    return _fitted(kind, value)


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
