"""What every controller is, whether rule or learned policy."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.envs.observation import Observation


class Controller(Protocol):
    """Picks one legal action at each decision of an episode."""

    def decide(
        self,
        observation: Observation,
        mask: NDArray[np.bool_],
        env: ExpansionEnv,
        *,
        rng: np.random.Generator,
    ) -> int:
        """Return the action to take.

        Args:
            observation: what the environment shows.
            mask: which actions are legal, (n,); at least one is.
            env: in the middle of its episode, for rules that look at more than the observation.
            rng: for controllers that draw.
        """
