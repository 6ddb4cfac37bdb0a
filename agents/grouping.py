"""Groups: episodes that share their context, and are compared with each other.

Seeds and tasks differ far more than decisions do. Rollouts of a group share task, budget, first
weights and order of data (common random numbers), so what is left between their returns is due
to the decisions.
"""

import heapq
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job, PolicyWeights
from mse_rl.agents.pool import WorkerPool
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.transformations import Decision

TRAINING, HELD_OUT = 1, 2
"""Streams of contexts, drawn apart."""
FIRST_LEVEL = 2
"""A group begins with 2 to the power of so many branches: its first decision matters most."""


def context_of(env: ExpansionEnv, seed: int, stream: int, number: int) -> Context:
    """Return one context of a run: a function of the run's seed, the stream and the number."""
    return env.draw_context(np.random.default_rng([seed, stream, number]))


def branch_of(rollout: int, decision: int, *, rollouts: int, decisions: int) -> int:
    """Return which of the branches of its group a rollout is on as it makes a decision.

    Rollouts of a branch decide alike: a group is a tree that starts with four branches and parts level by
    level, until every rollout has one of its own. So what they share is trained once, and each parting
    compares decisions that were made in the very same state (as the vine of Schulman et al., 2015,
    https://arxiv.org/abs/1502.05477). Every rollout by itself is a fair draw from the policy.

    Args:
        rollout: number within its group.
        decision: number within the episode.
        rollouts: size of the group.
        decisions: of an episode.
    """
    levels = (rollouts - 1).bit_length()
    first = min(FIRST_LEVEL, levels)
    level = max(first + decision * (levels - first + 1) // decisions, levels - (decisions - 1 - decision))
    return (rollout << level) // rollouts


def branches_of(rollout: int, *, rollouts: int, decisions: int) -> list[int]:
    """Return the branch that a rollout is on at each decision."""
    return [branch_of(rollout, t, rollouts=rollouts, decisions=decisions) for t in range(decisions)]


class Fork(NamedTuple):
    """Where a rollout of a group parts from an earlier one: both are one until that decision."""

    rollout: int
    parent: int
    decision: int


def forks(rollouts: int, decisions: int) -> list[Fork]:
    """Return for every rollout but the first from which one it parts, the latest that is possible."""
    branches = [branches_of(rollout, rollouts=rollouts, decisions=decisions) for rollout in range(rollouts)]

    def common(one: int, other: int) -> int:
        """Return for how many decisions two rollouts are on the same branch; never again once they part."""
        return sum(a == b for a, b in zip(branches[one], branches[other], strict=True))

    return [
        max(
            (Fork(rollout, parent, common(rollout, parent)) for parent in range(rollout)),
            key=lambda fork: (fork.decision, -fork.parent),
        )
        for rollout in range(1, rollouts)
    ]


def draw_seeds(
    seed: int, stream: int, number: int, *, rollout: int = 0, rollouts: int = 1, decisions: int
) -> tuple[int, ...]:
    """Return the controller's seed for every decision of a rollout; on the same branch it is the same.

    Args:
        seed: of the run.
        stream: of contexts.
        number: of the context.
        rollout: number within its group.
        rollouts: size of the group.
        decisions: of an episode.
    """
    branches = branches_of(rollout, rollouts=rollouts, decisions=decisions)
    return tuple(
        int(np.random.SeedSequence([seed, stream, number, decision, branch]).generate_state(1)[0])
        for decision, branch in enumerate(branches)
    )


def group_advantages(group: list[Episode], decisions: int) -> list[NDArray[np.float64]]:
    """Return the advantage of every decision of every episode of a group.

    A(i, t) = R_i - mean of R_j over the others that were in the very same state and drew their decision
    on their own: that had decided alike before t, and are on another branch at t. Where there are none,
    the baseline stays what it was when they parted. At t = 0 that is the leave-one-out baseline of RLOO
    (Kool et al., 2019), with branches for samples.

    Args:
        group: episodes of one context, at least two, in the order of their rollouts.
        decisions: of a whole episode.
    """
    returns = np.array([episode.total_return for episode in group])
    branches = [branches_of(i, rollouts=len(group), decisions=decisions) for i in range(len(group))]
    advantages = []
    for i, episode in enumerate(group):
        baseline = 0.0
        values = np.empty(len(episode.actions))
        for t in range(len(episode.actions)):
            prefix = episode.actions[:t]
            apart = [
                j
                for j, other in enumerate(group)
                if branches[j][t] != branches[i][t] and other.actions[:t] == prefix
            ]
            if apart:
                baseline = float(returns[apart].mean())
            values[t] = returns[i] - baseline
        advantages.append(values)
    return advantages


@dataclass(frozen=True)
class Group:
    """Rollouts of one context.

    Args:
        context: of all of them.
        number: of the context, within its stream.
        cost: that the child may have, in any unit: longer work begins first.
    """

    context: Context
    number: int
    cost: float


class Collector:
    """Plays groups of rollouts.

    Args:
        pool: plays the episodes.
        rollouts: of a group.
        decisions: of an episode.
        seed: of the run.
        stream: of contexts.
    """

    def __init__(self, pool: WorkerPool, *, rollouts: int, decisions: int, seed: int, stream: int) -> None:
        self._pool, self._rollouts, self._decisions = pool, rollouts, decisions
        self._seed, self._stream = seed, stream
        self._forks = [Fork(0, 0, 0), *forks(rollouts, decisions)]

    @property
    def workers(self) -> int:
        """Number of processes that play."""
        return self._pool.workers

    @property
    def restarts(self) -> list[int]:
        """How often each of them was replaced."""
        return self._pool.restarts

    def collect(self, policy: PolicyWeights, groups: list[Group]) -> Iterator[list[Episode]]:
        """Yield the episodes of each group, in the order of the groups, as soon as they are done."""
        done: list[dict[int, Episode]] = [{} for _ in groups]
        ready: list[tuple[float, int, Fork]] = []  # a heap: the longest rest first

        def put(index: int, fork: Fork) -> None:
            rest = groups[index].cost * (self._decisions - fork.decision)
            heapq.heappush(ready, (-rest, index, fork))

        for index in range(len(groups)):
            for fork in self._forks:
                if fork.decision == 0:
                    put(index, fork)
        running: dict[Future[Episode], tuple[int, Fork]] = {}
        shown = 0
        while shown < len(groups):
            while ready and len(running) <= self._pool.workers:  # one more, so that none has to wait for us
                _, index, fork = heapq.heappop(ready)
                path = done[index][fork.parent].path[: fork.decision] if fork.decision else ()
                job = self._job(policy, groups[index], fork, path)
                running[self._pool.submit(job)] = index, fork
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                index, fork = running.pop(future)
                episode = future.result()
                if fork.decision:
                    episode = done[index][fork.parent].then(fork.decision, episode)
                for later in self._settle(done[index], fork.rollout, episode):
                    put(index, later)
            while shown < len(groups) and len(done[shown]) == self._rollouts:
                yield [done[shown][rollout] for rollout in range(self._rollouts)]
                shown += 1

    def _settle(self, done: dict[int, Episode], rollout: int, episode: Episode) -> Iterator[Fork]:
        """Note that a rollout is done; yield those that part from it and have something to play."""
        done[rollout] = episode
        for fork in self._forks:
            if fork.parent == rollout and fork.decision > 0:
                if fork.decision < len(episode.actions):
                    yield fork if episode.went_well(fork.decision) else fork._replace(decision=0)
                else:  # it was over before they could part
                    yield from self._settle(done, fork.rollout, episode.as_replayed())

    def _job(self, policy: PolicyWeights, group: Group, fork: Fork, path: tuple[Decision, ...]) -> Job:
        later = {other.decision for other in self._forks if other.parent == fork.rollout}
        return Job(
            policy,
            group.context,
            draw_seeds(
                self._seed,
                self._stream,
                group.number,
                rollout=fork.rollout,
                rollouts=self._rollouts,
                decisions=self._decisions,
            ),
            path=path,
            shared=tuple(sorted(later - {0})),
        )
