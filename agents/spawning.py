"""Whether worker processes can start here, and get what they need: said before they do."""

import ast
import pickle
import sys
from pathlib import Path
from types import FrameType, ModuleType

from mse_rl.config.training import ExpansionConfig
from mse_rl.costs.measures import Meter
from mse_rl.errors import InvalidConfig

MAIN = "__main__"


def require_spawnable(config: ExpansionConfig, meter: Meter) -> None:
    """Raise unless workers can start, and get settings and meter.

    Args:
        config: names what workers import.
        meter: is sent to them.

    Raises:
        InvalidConfig: if the script that is run has no main guard, or what they need is in a notebook or
            cannot be sent.
    """
    main = sys.modules[MAIN]
    if (script := _script(main)) is not None:
        _require_guard(script, _line_of(main))
    else:
        require_importable(config, meter)
    try:
        pickle.dumps((config, meter))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidConfig(
            f"expected settings and a meter that can be sent to workers, got: {error}; define what they are "
            "made of at the top of a module"
        ) from error


def require_importable(config: ExpansionConfig, meter: Meter) -> None:
    """Raise unless all that settings name is in modules that can be imported.

    Raises:
        InvalidConfig: if some of it is in the program that is run.
    """
    if lost := [name for name in _names(config, meter) if name.partition(":")[0] == MAIN]:
        raise InvalidConfig(
            f"workers cannot import {' and '.join(lost)}, defined in a notebook or a session: put it into a "
            "file, as my_module.py, and import it from there"
        )


def _names(config: ExpansionConfig, meter: Meter) -> tuple[str, ...]:
    """Return the names that workers may have to import: all but those of tasks, which are sent whole."""
    kind = type(meter)
    transformations = config.growth.transformations or ()
    return config.reward.reward, config.budget.cost, *transformations, f"{kind.__module__}:{kind.__name__}"


def _script(main: ModuleType) -> Path | None:
    """Return the file that workers import; None if they import none: in a notebook, or for ``python -m`` of a
    package.
    """
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if file is None or (spec is not None and spec.name.rpartition(".")[2] == MAIN):
        return None
    return Path(file)


def _line_of(main: ModuleType) -> int | None:
    """Return the line of the script that has called this; None if another thread has begun here."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is vars(main) and frame.f_code.co_name == "<module>":
            return frame.f_lineno
        frame = frame.f_back
    return None


def _require_guard(script: Path, line: int | None) -> None:
    """Raise if a script starts workers whoever imports it: workers do.

    Any condition around the call, and any on ``__name__``, is taken for a guard.
    """
    try:
        tree = ast.parse(script.read_bytes())
    except OSError as error:
        raise InvalidConfig(
            f"workers cannot import {script} ({error.strerror}): put what is run into a file"
        ) from error
    except (SyntaxError, ValueError):  # not a script in Python, but one that is run by it
        return
    conditions = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    guarded = any(
        node.lineno <= (line or 0) <= (node.end_lineno or 0) or "__name__" in ast.unparse(node.test)
        for node in conditions
    )
    if line is not None and not guarded:
        raise InvalidConfig(
            f"workers import {script.name}, and would run its line {line} again: put what it does under "
            'if __name__ == "__main__":'
        )
