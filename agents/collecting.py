"""The rollouts of an update, played without waiting for the slowest.

A worker that is free takes the longest rest of an episode that can begin. What can begin are the roots
of every group, and each rollout whose parent is done: it goes on from where they part.
"""

import heapq
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from mse_rl.agents.grouping import Fork, draw_seeds, forks
from mse_rl.agents.pool import Job, PolicyWeights, WorkerPool
from mse_rl.agents.rollout import Episode
from mse_rl.envs.expansion import Context
from mse_rl.transformations import Decision


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
                    yield fork
                else:  # it was over before they could part
                    yield from self._settle(done, fork.rollout, episode.again())

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
