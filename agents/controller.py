"""Controllers: what every one of them is, and the episodes that they play."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.envs.observation import Observation
from mse_rl.errors import InvalidConfig, InvalidController
from mse_rl.plugins import in_short, label, require_callable
from mse_rl.transformations import Decision


@dataclass(frozen=True)
class DecisionPoint:
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

    def decide(self, point: DecisionPoint) -> int:
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
        try:
            found = found()
        except TypeError as error:  # a class that lacks what its base leaves open
            raise InvalidConfig(
                f"expected {name} to make a controller, got TypeError: {error}: define it"
            ) from error
    require_callable(getattr(found, "decide", None), ("point",), f"{name}.decide", "controller")
    controller: Controller = found
    return controller


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
        cached_slices: slices that were restored from the prefix cache instead of trained.
        seconds: that it took; and of them
        child_seconds: those of the child's training and evaluation.
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
    seconds: float
    child_seconds: float
    test_accuracy: float | None = None

    @property
    def total_return(self) -> float:
        """Sum of the rewards, undiscounted."""
        return sum(self.rewards)

    @property
    def final(self) -> dict[str, Any]:
        """Info after the last decision."""
        return self.infos[-1]

    @property
    def path(self) -> tuple[Decision, ...]:
        """What was done at each decision."""
        return tuple(Decision(info["transformation"], info["target"]) for info in self.infos)

    def went_well(self, decisions: int) -> bool:
        """Return whether nothing went wrong in that many slices, so that they can be played again."""
        return not any(info["fault"] for info in self.infos[:decisions])

    def then(self, decisions: int, rest: "Episode") -> "Episode":
        """Return the episode that is this one for some decisions, and then ``rest``."""
        return replace(
            rest,
            observations=self.observations[:decisions] + rest.observations,
            masks=self.masks[:decisions] + rest.masks,
            actions=self.actions[:decisions] + rest.actions,
            rewards=self.rewards[:decisions] + rest.rewards,
            infos=self.infos[:decisions] + rest.infos,
            start=self.start,
            cached_slices=decisions + rest.cached_slices,
        )

    def as_replayed(self) -> "Episode":
        """Return the same, for one that decided alike to the end: nothing was trained for it."""
        return replace(self, cached_slices=len(self.actions), seconds=0.0, child_seconds=0.0)


def run_episode(
    env: ExpansionEnv,
    controller: Controller,
    context: Context,
    *,
    seeds: Sequence[int],
    path: tuple[Decision, ...] = (),
    test: bool = False,
    on_start: Callable[[], None] = lambda: None,
    on_step: Callable[[], None] = lambda: None,
) -> Episode:
    """Play one episode to its end.

    Args:
        env: where.
        controller: who decides.
        context: which episode.
        seeds: of the controller's random numbers, one for each decision.
        path: what another episode of the context has done, to go on from there; what is returned then begins
            there, and counts slices that had to be trained again for it as minus so many restored ones.
        test: measure the finished child on the test split. For final reports only.
        on_start: called before the first decision.
        on_step: called after every slice.
    """
    began = time.perf_counter()
    observation, start = env.reset(options={"context": context, "path": path})
    on_start()
    observations, masks, infos = [], [], []
    actions, rewards = list[int](), list[float]()
    done = False
    while not done:
        mask = env.action_masks()
        rng = np.random.default_rng(seeds[len(path) + len(actions)])
        action = _decided(controller, DecisionPoint(observation, mask, env, rng))
        observations.append(observation)
        masks.append(mask)
        actions.append(action)
        observation, reward, terminated, truncated, info = env.step(action)
        rewards.append(reward)
        infos.append(info)
        on_step()
        done = terminated or truncated
    accuracy = env.process.test().accuracy if test else None
    live = env.process.live
    return Episode(
        context,
        observations,
        masks,
        actions,
        rewards,
        infos,
        start,
        cached_slices=len(actions) - live.trained_slices,
        seconds=time.perf_counter() - began,
        child_seconds=live.seconds,
        test_accuracy=accuracy,
    )


def _decided(controller: Controller, point: DecisionPoint) -> int:
    """Return the controller's action.

    Raises:
        InvalidController: if it is none.
    """
    action = controller.decide(point)
    if not isinstance(action, Integral) or not 0 <= action < len(point.mask):
        raise InvalidController(
            f"expected {label(controller)} to decide on an action, a whole number from 0 to "
            f"{len(point.mask) - 1}, got {in_short(action)}: return one where point.mask is true"
        )
    return action
