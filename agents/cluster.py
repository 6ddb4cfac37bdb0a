"""Workers that are actors on a Ray cluster: https://docs.ray.io. Imported only where it is asked for."""

import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayError

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job, Player
from mse_rl.agents.processes import GRACE_SECONDS
from mse_rl.agents.shared_folder import SharedFolder
from mse_rl.agents.spawning import require_importable
from mse_rl.agents.workers import Failure, WorkerFault, attempt, hung, require
from mse_rl.config.training import ExpansionConfig
from mse_rl.costs.measures import Meter
from mse_rl.data import Task
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import InvalidConfig

_LOGGER = logging.getLogger(__name__)


class Actor:
    """What runs in the cluster: one worker. Its methods may be called while it plays.

    Args:
        run: name of the run; its actors on one machine share a folder of that name.
        config: of the environment.
        tasks: the datasets.
        meter: tells costs.
    """

    def __init__(self, run: str, config: ExpansionConfig, tasks: tuple[Task, ...], meter: Meter) -> None:
        self._shared = SharedFolder(run)
        self._make_player = partial(Player, config, tasks, meter, self._shared.path)
        self._player: Player | None = None
        self._slices = 0

    def play(self, job: Job) -> Episode | Failure:
        """Return what comes of a job."""
        return attempt(partial(self._play, job))

    def slices(self) -> int:
        """Return how many slices it has come through so far."""
        return self._slices

    def leave(self) -> None:
        """Remove what no other actor needs."""
        self._shared.leave()

    def _play(self, job: Job) -> Episode:
        self._player = self._player or self._make_player()
        return self._player.play(job, self._count)

    def _count(self) -> None:
        self._slices += 1


class RayWorker:
    """A worker that is an actor.

    Args:
        start: starts the actor.
        timeout_seconds: after which it counts as hung, if it has not come through its start or a slice.
    """

    def __init__(self, start: Callable[[], Any], timeout_seconds: float) -> None:
        self._actor, self._timeout_seconds = start(), timeout_seconds

    def play(self, job: Job) -> Episode:
        """Return the episode of a job; see ``Worker``."""
        try:
            playing = self._actor.play.remote(job)
            self._watch(playing)
            answer: Episode | Failure = ray.get(playing)
        except RayError as error:
            raise WorkerFault(f"was lost: {str(error).strip().splitlines()[0]}") from error
        return require(answer)

    def end(self) -> None:
        """End the actor, whatever it does."""
        with suppress(RayError):
            ray.get(self._actor.leave.remote(), timeout=GRACE_SECONDS)
        ray.kill(self._actor)

    def _watch(self, playing: Any) -> None:
        """Wait for a job; raise if no slice is done for too long."""
        before = None
        while not ray.wait([playing], timeout=self._timeout_seconds)[0]:
            try:
                now = ray.get(self._actor.slices.remote(), timeout=self._timeout_seconds)
            except ray.exceptions.GetTimeoutError as error:
                raise hung(self._timeout_seconds) from error
            if now == before:
                raise hung(self._timeout_seconds)
            before = now


class RayLauncher:
    """Starts actors, on the cluster that ``RAY_ADDRESS`` names, one of this machine, or a new one on it.

    Args:
        env: whose configuration, tasks and meter theirs have.
        workers: how many; as many as the cluster has processors if not given.
        timeout_seconds: see ``RayWorker``.

    Raises:
        InvalidConfig: if there is no such cluster, or latencies are asked for: they differ from machine to
            machine.
    """

    def __init__(self, env: ExpansionEnv, workers: int | None, timeout_seconds: float) -> None:
        budget = env.config.budget
        if "latency" in (budget.cost, *budget.most):
            raise InvalidConfig("latency is measured on one machine: give `workers` as a number, without ray")
        require_importable(env.config, env.meter)
        self._own = not ray.is_initialized()
        if self._own:
            _connect()
        processors = int(ray.cluster_resources().get("CPU", 1))
        self.workers, self._timeout_seconds = workers or processors, timeout_seconds
        if self.workers > processors:
            _LOGGER.warning(
                "the cluster has %d processors: %d of %d workers wait for more",
                processors,
                self.workers - processors,
                self.workers,
            )
        config, tasks, meter = (ray.put(part) for part in (env.config, env.tasks, env.meter))
        self._actor = ray.remote(Actor).options(max_concurrency=2)
        self._arguments = (uuid4().hex, config, tasks, meter)

    def start(self, *, again: bool) -> RayWorker:
        """Start an actor on a processor of its own; again, it may share one, for a machine may be gone."""
        actor = self._actor.options(max_concurrency=2, num_cpus=0 if again else 1)
        return RayWorker(partial(actor.remote, *self._arguments), self._timeout_seconds)

    def close(self) -> None:
        """Leave the cluster."""
        if self._own:
            ray.shutdown()


def _connect() -> None:
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InvalidConfig(
            f"expected a Ray cluster, got: {str(error).strip().splitlines()[0]}; see RAY_ADDRESS, or give "
            "`workers` as a number"
        ) from error
