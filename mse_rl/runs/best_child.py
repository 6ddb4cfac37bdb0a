"""The child that is kept: the best by validation among those of the final architecture."""

from collections.abc import Callable
from dataclasses import replace
from math import sqrt

from mse_rl.agents.controller import Controller, Episode, run_episode
from mse_rl.agents.grouping import HELD_OUT, draw_seeds
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import ChildFailed
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import GrowthState
from mse_rl.training import ACCOUNTS, Snapshot

MARGIN = 2.0
"""Standard errors by which an earlier child must validate better than the last one. The best of ten children
by validation is often no more than the luckiest: on digits one was kept that had 99.7% of 287 samples before
the learning rate fell, where the last one had 98.6%, and it was the worse one on the test split."""


def standard_error(accuracy: float, samples: int) -> float:
    """Return the standard error of an accuracy that was measured on so many samples."""
    smoothed = (accuracy * samples + 1) / (samples + 2)  # so that there is an error at 0 and 1, too
    return sqrt(smoothed * (1 - smoothed) / samples)


class BestChild:
    """Remembers the best child since the architecture last changed.

    Args:
        process: whose children are looked at.
    """

    def __init__(self, process: GrowthProcess) -> None:
        self._process = process
        self._best = self._now()

    def see(self) -> None:
        """Compare the child after a slice with the best one."""
        best, state = self._best[0], self._process.state
        if state.architecture != best.architecture or state.validation.accuracy >= best.validation.accuracy:
            self._best = self._now()

    def restore_(self) -> GrowthState:
        """Restore the best child, if it is clearly better than the last one, by more than
        ``MARGIN`` standard errors of the last one's accuracy; return the state of the one that is held. The
        last one is not measured, and kept, where it was trained on the validation samples as well.
        """
        (state, snapshot), last = self._best, self._process.state
        if last.refit:
            return last
        accuracy, samples = last.validation.accuracy, len(self._process.task.validation)
        if state.validation.accuracy <= accuracy + MARGIN * standard_error(accuracy, samples):
            return last
        self._process.live.restore(snapshot)
        return state

    def _now(self) -> tuple[GrowthState, Snapshot]:
        """Return state and weights, without the optimizer's moments: they are trained no more."""
        return self._process.state, replace(self._process.live.capture(), moments={})


def grow_best(
    env: ExpansionEnv,
    controller: Controller,
    context: Context,
    *,
    on_start: Callable[[], None],
    on_step: Callable[[], None],
) -> tuple[Episode, GrowthState]:
    """Play an episode, and go back to the child that is kept.

    Args:
        env: where.
        controller: who decides.
        context: which episode.
        on_start: called before the first decision.
        on_step: called after every slice.

    Returns:
        The episode, with the test accuracy of that child, and the state in which it was.

    Raises:
        ChildFailed: if the child has.
    """
    best: list[BestChild] = []

    def begun() -> None:
        best.append(BestChild(env.process))
        on_start()

    def stepped() -> None:
        best[0].see()
        on_step()

    seeds = draw_seeds(context.seed, HELD_OUT, 0, decisions=env.config.growth.slices)
    episode = run_episode(env, controller, context, seeds=seeds, on_start=begun, on_step=stepped)
    if episode.final["failed"]:
        account = ACCOUNTS[episode.final["fault"]]
        here = f", here {env.process.peak_learning_rate:g}" if episode.final["fault"] == "diverged" else ""
        raise ChildFailed(
            f"the child {account.what} in slice {episode.final['slice']}, for the second time, and nothing "
            f"is kept: {account.advice}{here}"
        )
    kept = best[0].restore_()
    return replace(episode, test_accuracy=env.process.test().accuracy), kept
