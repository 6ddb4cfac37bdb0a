"""Groups: episodes that share their context, and are compared with each other.

Seeds and tasks differ far more than decisions do. Rollouts of a group share task, budget, first
weights and order of data (common random numbers), so what is left between their returns is due
to the decisions.
"""

import numpy as np
from numpy.typing import NDArray

from mse_rl.agents.rollout import Episode
from mse_rl.envs.expansion import Context, ExpansionEnv

TRAINING, HELD_OUT = 1, 2
"""Streams of contexts, drawn apart."""


def context_of(env: ExpansionEnv, seed: int, stream: int, number: int) -> Context:
    """Return one context of a run: a function of the run's seed, the stream and the number."""
    return env.draw_context(np.random.default_rng([seed, stream, number]))


def rollout_seed(seed: int, stream: int, number: int, rollout: int) -> int:
    """Return the controller's seed for one rollout of a context."""
    return int(np.random.SeedSequence([seed, stream, number, rollout]).generate_state(1)[0])


def group_advantages(group: list[Episode]) -> list[NDArray[np.float64]]:
    """Return the advantage of every decision of every episode of a group.

    A(i, t) = R_i - mean of R_j over the others that had decided alike before t, that is, were in the
    very same state; once an episode is alone, the baseline stays what it was when it parted. At
    t = 0 that is the leave-one-out baseline of RLOO (Kool et al., 2019).

    Args:
        group: episodes of one context; at least two.
    """
    returns = np.array([episode.total_return for episode in group])
    advantages = []
    for i, episode in enumerate(group):
        baseline = 0.0
        values = np.empty(len(episode.actions))
        for t in range(len(episode.actions)):
            prefix = episode.actions[:t]
            alike = [j for j, other in enumerate(group) if j != i and other.actions[:t] == prefix]
            if alike:
                baseline = float(returns[alike].mean())
            values[t] = returns[i] - baseline
        advantages.append(values)
    return advantages
