"""What every controller is, whether rule or learned policy."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.envs.observation import Observation


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
    """Picks one legal action at each decision of an episode."""

    def decide(self, turn: Turn) -> int:
        """Return the action to take."""
