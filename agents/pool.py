"""A pool of workers: each job is played by one that is free, and again if that one is lost."""

import logging
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job
from mse_rl.agents.processes import ProcessLauncher
from mse_rl.agents.workers import Launcher, Worker, WorkerFault
from mse_rl.config.commands import workers_of
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import InvalidConfig, WorkerLost, counted

_LOGGER = logging.getLogger(__name__)
TRIES = 3
"""Workers that one job may cost."""


class WorkerPool:
    """A number of workers, each with an environment and one thread.

    Those of one machine share a folder of prefixes and latencies. One that ends, raises an
    exception or shows no sign of life is replaced, and its job is played again: results stay what they are.

    Args:
        env: whose configuration, tasks and meter theirs have.
        workers: how many processes; or ``"ray"``, ``"ray:8"``: actors on a Ray cluster.
        log: file for what becomes of workers, with the tracebacks of what they raise.
        timeout_seconds: after which a worker counts as hung, if it has not come through its start or a slice.
        most_restarts: workers that may be replaced.

    Attributes:
        workers: how many there are.
        restarts: how often each was replaced.

    Raises:
        InvalidConfig: if workers cannot start here, or not get what they need.
    """

    def __init__(
        self,
        env: ExpansionEnv,
        workers: int | str,
        *,
        log: Path | None = None,
        timeout_seconds: float = 1800.0,
        most_restarts: int = 100,
    ) -> None:
        self._launcher = _launcher(env, workers, timeout_seconds)
        self.workers = self._launcher.workers
        self.restarts = [0] * self.workers
        self._log, self._most_restarts = log, most_restarts
        self._threads = ThreadPoolExecutor(
            self.workers, "worker", initializer=_leave_signals_to_the_main_thread
        )
        self._running: dict[int, Worker] = {}
        self._free: SimpleQueue[int] = SimpleQueue()
        for number in range(self.workers):
            self._free.put(number)
        self._lock, self._closed = threading.Lock(), False

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            running = list(self._running.values())
        self._threads.shutdown(wait=False, cancel_futures=True)
        with ThreadPoolExecutor() as ending:
            list(ending.map(lambda worker: worker.end(), running))
        self._threads.shutdown()
        self._launcher.close()

    def submit(self, job: Job) -> "Future[Episode]":
        """Let a worker play a job as soon as one is free."""
        return self._threads.submit(self._play, job)

    def play(self, jobs: list[Job]) -> Iterator[Episode]:
        """Yield the episode of each job, in the order of the jobs, as soon as they are done."""
        for future in [self.submit(job) for job in jobs]:
            yield future.result()

    def _play(self, job: Job) -> Episode:
        number = self._free.get()
        try:
            for tries in range(TRIES):
                try:
                    return self._worker(number).play(job)
                except WorkerFault as fault:
                    self._take_out(number, fault, last=tries == TRIES - 1)
            raise AssertionError
        finally:
            self._free.put(number)

    def _worker(self, number: int) -> Worker:
        """Return a worker; it is started if it is not there."""
        with self._lock:
            if self._closed:
                raise CancelledError
            if number not in self._running:
                self._running[number] = self._launcher.start(again=self.restarts[number] > 0)
            return self._running[number]

    def _take_out(self, number: int, fault: WorkerFault, *, last: bool) -> None:
        """Make room for a worker in the place of one that is lost.

        Raises:
            WorkerLost: if it was the last that its job may cost, or too many were lost before.
        """
        with self._lock:
            if self._closed:
                raise CancelledError
            worker = self._running.pop(number)
        worker.end()
        self._note(f"worker {number} {fault.how}", fault.trace)
        advice = f": {fault.advice}" if fault.advice else ""
        seen = f" (see {self._log})" if self._log else ""
        if last:
            raise WorkerLost(
                f"{TRIES} workers were lost at the same episode; the last {fault.how}{seen}{advice}"
            )
        if sum(self.restarts) == self._most_restarts:
            raise WorkerLost(
                f"{counted(self._most_restarts, 'worker')} had been replaced, and one more {fault.how}{seen}"
                ": find out what ends them, or raise `worker_restarts`"
            )
        self.restarts[number] += 1

    def _note(self, line: str, trace: str) -> None:
        """Say that a worker is lost, and keep it in the log."""
        _LOGGER.warning("%s; its episode is played again", line)
        if self._log:
            with suppress(OSError), self._log.open("a") as file:
                file.write(f"{datetime.now().isoformat(timespec='seconds')} {line}\n{trace}")


def _leave_signals_to_the_main_thread() -> None:
    """Block what a terminal sends to all processes, for this thread and the processes that it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})


def _launcher(env: ExpansionEnv, workers: int | str, timeout_seconds: float) -> Launcher:
    on_ray, number = workers_of(workers)
    if not on_ray:
        return ProcessLauncher(env, number or 1, timeout_seconds)
    require_ray()
    from mse_rl.agents.cluster import RayLauncher

    return RayLauncher(env, number, timeout_seconds)


def require_ray() -> None:
    """Raise unless Ray is installed.

    Raises:
        InvalidConfig: if it is not.
    """
    if find_spec("ray") is None:
        raise InvalidConfig("workers on Ray need it: pip install 'mse-rl[ray]'")
