"""A learned policy as a controller."""

import numpy as np
import torch
from numpy.typing import NDArray

from mse_rl.agents.controller import Turn
from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.layout import Layout, columns
from mse_rl.envs.observation import Observation


def known_features(
    observation: Observation, shown: Layout, known: Layout
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the features that a policy knows, with 0 for those that are gone.

    Args:
        observation: what the environment shows.
        shown: its layout.
        known: that of the policy.

    Returns:
        The features of the child (1, global features), and of each row (rows, block features).
    """
    globals_ = columns(observation["globals"][None], shown.globals, known.globals, 0.0)
    blocks = observation["blocks"].reshape(-1, len(shown.blocks))
    return globals_, columns(blocks, shown.blocks, known.blocks, 0.0)


class Learned:
    """Takes the most probable legal action of a policy network, or draws one.

    Its own layout may be another one than the environment's: it is shown the features that it knows, with 0
    for those that are gone, and never takes an operation that it does not know; where it knows none that is
    legal, it waits.

    Args:
        network: the policy.
        draws: sample from the policy, as it does while it learns, instead of taking its best.
    """

    def __init__(self, network: BlockNetwork, *, draws: bool = False) -> None:
        self.network, self.draws = network, draws

    def decide(self, turn: Turn) -> int:
        """Return the chosen action."""
        logits = self._logits(turn.observation, turn.env.layout)
        if self.draws:
            logits = logits + turn.rng.gumbel(size=logits.shape)  # argmax(logits + Gumbel) ~ softmax(logits)
        return int(np.where(turn.mask, logits, -np.inf).argmax())

    def _logits(self, observation: Observation, shown: Layout) -> NDArray[np.float64]:
        """Return the logits (actions,) of a table of the operations that ``shown`` has."""
        own = self.network.layout
        globals_, blocks = known_features(observation, shown, own)
        rows = len(blocks)
        logits = self._forward(globals_, blocks.reshape(1, -1))
        parts = (
            (1, own.child_operations, shown.child_operations),
            (rows, own.block_operations, shown.block_operations),
            (rows * (rows - 1) // 2, own.pair_operations, shown.pair_operations),
        )  # (targets, operations of the policy, those that are shown) each
        ends = np.cumsum([targets * len(known) for targets, known, _ in parts])
        return np.concatenate(
            [
                columns(values.reshape(targets, len(known)), known, wanted, -np.inf).ravel()
                for values, (targets, known, wanted) in zip(np.split(logits, ends[:-1]), parts, strict=True)
            ]
        )

    @torch.no_grad()
    def _forward(self, globals_: NDArray[np.floating], blocks: NDArray[np.floating]) -> NDArray[np.float64]:
        logits: torch.Tensor = self.network(torch.from_numpy(globals_), torch.from_numpy(blocks))
        return logits[0].double().numpy()
