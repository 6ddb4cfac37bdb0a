"""Frozen data to JSON values and back, by their annotations: saved whole, and nothing is unpickled."""

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

MOST_DEPTH = 64
"""Levels of lists and objects in JSON; what this package writes has ten at most."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of JSON, which is in UTF-8 if in bytes.

    Raises:
        ValueError: if it is no JSON, too deep, or holds half of a surrogate pair, which no file can hold.
    """
    try:
        value = json.loads(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ValueError(f"expected UTF-8, got other bytes ({error.reason})") from error
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _check_depth(value)
    json.dumps(value, ensure_ascii=False).encode()
    return value


_TOO_DEEP = f"expected at most {MOST_DEPTH} levels of JSON, got more"


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MOST_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
    if level:
        raise ValueError(_TOO_DEEP)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def to_plain(value: Any) -> Any:
    """Convert dataclasses, tuples, frozensets, dicts and scalars to values that ``json`` can write.

    Dicts become lists of pairs, since their keys may be anything.
    """
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return [[to_plain(key), to_plain(entry)] for key, entry in value.items()]
    if isinstance(value, frozenset):
        return sorted((to_plain(entry) for entry in value), key=repr)
    if isinstance(value, tuple):
        return [to_plain(entry) for entry in value]
    return value


def from_plain(kind: Any, plain: Any) -> Any:
    """Return the value of type ``kind`` that ``to_plain`` gave ``plain`` for.

    Raises:
        ValueError: if it is not of that type.
    """
    origin = get_origin(kind) or kind
    if origin in _READERS:
        return _READERS[origin](get_args(kind), plain)
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        if not isinstance(plain, dict) or plain.keys() != hints.keys():
            raise ValueError(f"expected what {kind.__name__} holds, got {plain!r:.80}")
        return kind(**{name: from_plain(hint, plain[name]) for name, hint in hints.items()})
    if hasattr(kind, "_fields"):  # a NamedTuple
        return kind(*_each(tuple(_hints(kind).values()), plain))
    if not isinstance(plain, kind) or isinstance(plain, bool) != (kind is bool):
        raise ValueError(f"expected {_NAMES.get(kind, kind)}, got {plain!r:.80}")
    return plain


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _list(plain: Any) -> list[Any]:
    if not isinstance(plain, list):
        raise ValueError(f"expected a list, got {plain!r:.80}")
    return plain


def _each(kinds: tuple[Any, ...], plain: Any) -> list[Any]:
    return [from_plain(kind, entry) for kind, entry in zip(kinds, _list(plain), strict=True)]


def _union(kinds: tuple[Any, ...], plain: Any) -> Any:
    """Return the first alternative that fits."""
    for kind in kinds:
        try:
            return from_plain(kind, plain)
        except ValueError:
            continue
    raise ValueError(f"expected one of {kinds}, got {plain!r:.80}")


def _literal(values: tuple[Any, ...], plain: Any) -> Any:
    if plain not in values:
        raise ValueError(f"expected one of {values}, got {plain!r:.80}")
    return plain


def _tuple(kinds: tuple[Any, ...], plain: Any) -> tuple[Any, ...]:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(from_plain(kinds[0], entry) for entry in _list(plain))
    return tuple(_each(kinds, plain))


def _float(_: tuple[Any, ...], plain: Any) -> float:
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise ValueError(f"expected a number, got {plain!r:.80}")
    try:
        return float(plain)
    except OverflowError as error:
        raise ValueError("expected a number that a float can hold") from error


_NAMES: dict[Any, str] = {int: "a whole number", str: "a string", bool: "true or false"}
"""What messages call them."""
_READERS: dict[Any, Callable[[tuple[Any, ...], Any], Any]] = {
    Union: _union,
    UnionType: _union,
    Literal: _literal,
    tuple: _tuple,
    frozenset: lambda kinds, plain: frozenset(from_plain(kinds[0], entry) for entry in _list(plain)),
    dict: lambda kinds, plain: dict(_each(kinds, pair) for pair in _list(plain)),
    float: _float,
    NoneType: lambda _, plain: _literal((None,), plain),
    Path: lambda _, plain: Path(from_plain(str, plain)),
}
