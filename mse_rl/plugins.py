"""Objects of a user's own, named by where they are imported from: ``my_package.module:thing``."""

import re
import sys
from importlib import import_module
from typing import Any

from mse_rl.errors import InvalidConfig

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_path(name: str) -> bool:
    """Say whether a name is an import path: a dotted module name, a colon, an identifier.

    >>> [is_path(name) for name in ("my_package.module:thing", "pace:0.5:0.4", "widen_child_x1.5")]
    [True, False, False]
    """
    return _PATH.fullmatch(name) is not None


def load_object(path: str, what: str) -> Any:
    """Return the object at an import path.

    Args:
        path: as in ``my_package.module:thing``.
        what: it should be, for the message.

    Raises:
        InvalidConfig: if it is no such path, or cannot be imported.
    """
    if not is_path(path):
        raise InvalidConfig(f"expected a {what} as my_package.module:thing, got {path!r}")
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except Exception as error:  # a user's module may raise anything
        raise InvalidConfig(
            f"expected a {what} at {path}, got {type(error).__name__}: {error}; check the path, and that "
            f"its module is installed or lies in the current folder"
        ) from error


def path_of(thing: Any) -> str:
    """Return the import path of an object that has a name in its module: a class, or an instance of one in
    the module of the class.

    Raises:
        InvalidConfig: if it has none, so that other processes could not find it.
    """
    home = sys.modules[getattr(thing, "__module__", type(thing).__module__)]
    for name, value in vars(home).items():
        if value is thing:
            return f"{home.__name__}:{name}"
    raise InvalidConfig(
        f"expected an object that has a name in {home.__name__}, got {thing!r}: give it one there, so that "
        "worker processes can import it, or name it as my_package.module:thing"
    )
