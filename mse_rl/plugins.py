"""What users bring along, by its import path: ``my_package.module:thing``, as entry points are written."""

import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from inspect import signature
from typing import Any

from mse_rl.errors import InvalidConfig

_DOTTED = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_PATH = re.compile(f"{_DOTTED}:{_DOTTED}")


def is_path(name: str) -> bool:
    """Return whether a name is written like an import path: a dotted module, a colon, an identifier.

    Names of the package's own go first: ``csv:my_folder`` is a file to read, whatever modules there are.

    >>> [is_path(name) for name in ("my_package.rewards:frugal", "pace:0.5:0.4", "csv:data/a.csv", "mnas")]
    [True, False, False, False]
    """
    return _PATH.fullmatch(name) is not None


def load_object(path: str, what: str) -> Any:
    """Import the module of a path, and return the object that it names there.

    The current directory joins ``sys.path``, behind all that is there, so that a file beside the user is
    found, as ``python -m`` finds it, and hides no module that is installed. Workers have the ``sys.path`` of
    the process that starts them.

    Args:
        path: ``my_package.module:thing``; see ``is_path``.
        what: it is for, as messages call it: ``"reward"``.

    Raises:
        InvalidConfig: if there is no such module, it cannot be imported, or has no such thing.
    """
    if not is_path(path):
        raise InvalidConfig(f"expected a {what} as my_package.module:thing, got {path!r}")
    module_name, _, names = path.partition(":")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.append(os.getcwd())
    try:
        found: Any = import_module(module_name)
    except (Exception, SystemExit) as error:  # it runs code of its user's, which may raise anything
        said = _in_one_line(f"{type(error).__name__}: {error}")
        raise InvalidConfig(
            f"{what} {path}: module {module_name} cannot be imported ({said}): start in the folder where it "
            "is, install it, or mend it"
        ) from error
    file = getattr(found, "__file__", None) or "no file"
    for name in names.split("."):
        if not hasattr(found, name):
            raise InvalidConfig(
                f"{what} {path}: expected {names} in module {module_name} ({file}), which has no {name!r}: "
                "correct the name"
            )
        found = getattr(found, name)
    return found


def path_of(thing: Any, what: str) -> str:
    """Return the import path of a function or class, or a name as it is: settings are data, and go to JSON.

    Args:
        thing: a name, a path, or what a path can name.
        what: it is for, as messages call it.

    Raises:
        InvalidConfig: if it has no path: a lambda, what was made inside a function, an instance.
    """
    if isinstance(thing, str):
        return thing
    path = label(thing) if hasattr(thing, "__qualname__") else ""
    if not is_path(path) or load_object(path, what) is not thing:
        raise InvalidConfig(
            f"expected a {what} that can be named, a function or class at the top of a module, "
            f"got {in_short(thing)}: define it there with def or class, or give its path as "
            "my_package.module:thing"
        )
    return path


def paths_of(things: Any, what: str) -> tuple[str, ...]:
    """Return the same of several, or of one.

    Raises:
        InvalidConfig: if one has no path.
    """
    several = isinstance(things, Iterable) and not isinstance(things, str | type)
    return tuple(path_of(thing, what) for thing in (things if several else (things,)))


def label(thing: Any) -> str:
    """Return the name of a Python object in records: its module and name, or those of its class.

    >>> from collections import OrderedDict
    >>> label(OrderedDict), label(OrderedDict())
    ('collections:OrderedDict', 'collections:OrderedDict')
    """
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    return f"{named.__module__}:{named.__qualname__}"


def require_callable(function: Any, arguments: tuple[str, ...], name: str, what: str) -> None:
    """Raise unless a function of a user's can be called with as many arguments.

    Args:
        function: or class, or whatever else can be called.
        arguments: what they are called.
        name: of the function, for messages.
        what: it is, as messages call it.

    Raises:
        InvalidConfig: if it cannot.
    """
    call = f"{name.rpartition(':')[2]}({', '.join(arguments)})"
    if not callable(function):
        raise InvalidConfig(
            f"expected {what} {name} to be called as {call}, got {in_short(function)}: name a function"
        )
    try:
        taken = signature(function)
    except ValueError:  # some built-in functions have none
        return
    try:
        taken.bind(*arguments)
    except TypeError as error:
        raise InvalidConfig(
            f"expected {what} {name} to be called as {call}, got {taken}: give it these arguments, and "
            "others a default"
        ) from error


def in_short(value: Any) -> str:
    """Write any object for a message: the beginning of its ``repr``, in one line."""
    return f"{_in_one_line(repr(value)):.80}"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
