"""What every controller is, whether rule or learned policy."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.envs.observation import Observation
from mse_rl.plugins import require_callable


@dataclass(frozen=True)
class Turn:
    """A decision that is due.

    Args:
        observation: what the environment shows.
        mask: which actions are legal, (n,); at least one is.
        env: in the middle of its episode, for rules that look at more than the observation.
        rng: for controllers that draw.
    """

    observation: Observation
    mask: NDArray[np.bool_]
    env: ExpansionEnv
    rng: np.random.Generator


class Controller(Protocol):
    """Picks one legal action at each decision of an episode, and keeps nothing for the next episode."""

    def decide(self, turn: Turn) -> int:
        """Return the action to take."""


def own_controller(found: Any, name: str) -> Controller:
    """Return a user's controller.

    Args:
        found: an object with ``decide``, or a class or function that makes one without arguments.
        name: of it, for messages.

    Raises:
        InvalidConfig: if it is neither.
    """
    if isinstance(found, type) or not hasattr(found, "decide"):
        require_callable(found, (), name, "controller")
        found = found()
    require_callable(getattr(found, "decide", None), ("turn",), f"{name}.decide", "controller")
    controller: Controller = found
    return controller
