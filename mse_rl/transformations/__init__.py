"""The edits of a child, and their registry, with the two that change nothing: wait and stop.

A new transformation is a class in a file here with its line in TRANSFORMATIONS.
"""

from copy import copy
from functools import lru_cache

from mse_rl.errors import InvalidConfig, unknown_name
from mse_rl.plugins import is_path, load_object
from mse_rl.spec import ACTIVATIONS, KINDS
from mse_rl.transformations.adopt import Renumbering, adopt, adopted
from mse_rl.transformations.applying import OUTPUT_CHANGE_SAMPLES, Answers, Probe, Receipt, apply, receipt_of
from mse_rl.transformations.base import (
    SCOPES,
    WAIT,
    Decision,
    Inert,
    Shrinking,
    Target,
    Transformation,
    require_target,
)
from mse_rl.transformations.blocks import AddLink, ChangeActivation, Deepen, GrowKernel, RemoveBlock, Unlink
from mse_rl.transformations.statistics import BlockStatistics, ChildStatistics, InputStatistics
from mse_rl.transformations.widths import (
    NarrowChild,
    NarrowInner,
    NarrowStream,
    WidenChild,
    WidenInner,
    WidenStream,
)

__all__ = [
    "OUTPUT_CHANGE_SAMPLES",
    "TRANSFORMATIONS",
    "WAIT",
    "Answers",
    "BlockStatistics",
    "ChildStatistics",
    "Decision",
    "Inert",
    "InputStatistics",
    "Probe",
    "Receipt",
    "Renumbering",
    "Shrinking",
    "Target",
    "Transformation",
    "adopt",
    "adopted",
    "apply",
    "operations",
    "receipt_of",
    "require_target",
    "transformation",
]


class Wait(Inert):
    """Train the next slice with the network as it is. Legal unless the child has to shrink, and can."""

    name = WAIT.name
    changes_nothing = True


class Stop(Inert):
    """Grow no more. Training goes on to the end of the schedule; only ``wait`` is legal from here."""

    name = "stop"
    ends_growth = True


TRANSFORMATIONS: dict[str, Transformation] = {
    transformation.name: transformation
    for transformation in (
        Wait(),
        Stop(),
        *map(WidenChild, (1.25, 1.5, 2)),
        *map(Deepen, KINDS),
        *map(WidenInner, (1.25, 1.5, 2, 4)),
        *map(WidenStream, (1.25, 1.5, 2, 4)),
        GrowKernel(),
        *map(ChangeActivation, ACTIVATIONS),
        AddLink(),
        Unlink(),
        *map(NarrowChild, (0.75, 0.5)),
        *map(NarrowInner, (0.75, 0.5)),
        *map(NarrowStream, (0.75, 0.5)),
        RemoveBlock(),
    )
}


def transformation(name: str) -> Transformation:
    """Return the transformation of that name, or the one at that import path.

    Raises:
        InvalidConfig: if there is none.
    """
    if name in TRANSFORMATIONS:
        return TRANSFORMATIONS[name]
    if is_path(name):
        return _imported(name)
    unknown = unknown_name("transformation", name, TRANSFORMATIONS)
    raise InvalidConfig(f"{unknown}, or one of your own, as my_package.module:thing")


def operations(names: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the names that a table of actions has, in order: all that are registered, then those among
    ``names`` that are not, which are import paths.

    Raises:
        InvalidConfig: if there is no transformation of such a name.
    """
    own = [name for name in dict.fromkeys(names or ()) if name not in TRANSFORMATIONS]
    return (*TRANSFORMATIONS, *(transformation(name).name for name in own))


@lru_cache
def _imported(path: str) -> Transformation:
    """Return the transformation at an import path; it goes by that path, whatever it calls itself."""
    found = load_object(path, "transformation")
    if isinstance(found, type) and issubclass(found, Transformation):
        try:
            found = found()
        except TypeError as error:
            raise InvalidConfig(
                f"expected a transformation at {path}, got a class that cannot be called without arguments "
                f"({error}): name an instance of it"
            ) from error
    if not isinstance(found, Transformation):
        raise InvalidConfig(
            f"expected a transformation at {path}, got a {type(found).__name__}: derive it from "
            "mse_rl.transformations.Transformation"
        )
    if found.scope not in SCOPES:
        raise InvalidConfig(
            f"expected transformation {path} to have a scope, {', '.join(SCOPES)}, got {found.scope!r}"
        )
    found = copy(found)
    found.name = path
    return found
