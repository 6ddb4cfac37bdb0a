"""One episode, played to its end."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.agents.controller import Controller, Turn
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.envs.observation import Observation


@dataclass(frozen=True)
class Episode:
    """What happened, decision by decision, and what came of it.

    Args:
        context: what the episode began from.
        observations: before each decision.
        masks: which actions were legal, (n,) each.
        actions: what was decided.
        rewards: what each decision brought.
        infos: of the environment after each decision.
        start: info of the environment after the reset.
        cached_slices: slices that were restored from the trajectory cache instead of trained.
        test_accuracy: of the finished child; None unless it was asked for.
    """

    context: Context
    observations: list[Observation]
    masks: list[NDArray[np.bool_]]
    actions: list[int]
    rewards: list[float]
    infos: list[dict[str, Any]]
    start: dict[str, Any]
    cached_slices: int
    test_accuracy: float | None = None

    @property
    def total_return(self) -> float:
        """Sum of the rewards, undiscounted."""
        return sum(self.rewards)

    @property
    def final(self) -> dict[str, Any]:
        """Info after the last decision."""
        return self.infos[-1]


def run_episode(
    env: ExpansionEnv,
    controller: Controller,
    context: Context,
    *,
    rng: np.random.Generator,
    test: bool = False,
    on_start: Callable[[], None] = lambda: None,
    on_step: Callable[[], None] = lambda: None,
) -> Episode:
    """Play one episode.

    Args:
        env: where.
        controller: who decides.
        context: which episode.
        rng: the controller's.
        test: measure the finished child on the test split. For final reports only.
        on_start: called before the first decision.
        on_step: called after every slice.
    """
    observation, start = env.reset(options={"context": context})
    on_start()
    hits_before = env.cache.hits if env.cache else 0
    observations, masks, actions, rewards, infos = [], [], [], [], []
    done = False
    while not done:
        mask = env.action_masks()
        action = controller.decide(Turn(observation, mask, env, rng))
        observations.append(observation)
        masks.append(mask)
        actions.append(action)
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        infos.append(info)
        on_step()
        done = terminated or truncated
    return Episode(
        context,
        observations,
        masks,
        actions,
        rewards,
        infos,
        start,
        cached_slices=(env.cache.hits if env.cache else 0) - hits_before,
        test_accuracy=env.process.test().accuracy if test else None,
    )
