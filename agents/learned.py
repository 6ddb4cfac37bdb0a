"""A learned policy as a controller."""

import numpy as np
import torch
from numpy.typing import NDArray

from mse_rl.agents.controller import Turn
from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.observation import Observation


class Learned:
    """Takes the most probable legal action of a policy network, or draws one.

    Args:
        network: the policy.
        draws: sample from the policy, as it does while it learns, instead of taking its best.
    """

    def __init__(self, network: BlockNetwork, *, draws: bool = False) -> None:
        self.network, self.draws = network, draws

    def decide(self, turn: Turn) -> int:
        """Return the chosen action."""
        logits = self._logits(turn.observation)
        if self.draws:
            logits = logits + turn.rng.gumbel(size=logits.shape)  # argmax(logits + Gumbel) ~ softmax(logits)
        return int(np.where(turn.mask, logits, -np.inf).argmax())

    @torch.no_grad()
    def _logits(self, observation: Observation) -> NDArray[np.float64]:
        batch = {key: torch.from_numpy(value).unsqueeze(0) for key, value in observation.items()}
        logits: torch.Tensor = self.network(batch["globals"], batch["blocks"])
        return logits[0].double().numpy()
