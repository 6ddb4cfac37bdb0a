"""Workers: processes that play jobs, each with a pipe to the main one."""

import atexit
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job, Player
from mse_rl.config.training import ExpansionConfig
from mse_rl.costs.measures import Meter
from mse_rl.data import Task
from mse_rl.errors import MseRlError, WorkerLost


@dataclass(frozen=True)
class Equipment:
    """What a worker needs to play.

    Args:
        config: of its environment.
        tasks: the datasets.
        meter: tells latencies.
        shared: folder of prefixes and latencies that the workers of a machine share.
    """

    config: ExpansionConfig
    tasks: tuple[Task, ...]
    meter: Meter
    shared: Path

    def player(self) -> Player:
        """Return what plays with it."""
        return Player(self.config, self.tasks, self.meter, self.shared)


class WorkerFault(Exception):
    """A worker that can play no more.

    Args:
        how: it ended, as the rest of a sentence about it.
        advice: what may help, where it goes on.
        trace: the traceback of what it raised, if it did.
    """

    def __init__(self, how: str, *, advice: str = "", trace: str = "") -> None:
        super().__init__(how)
        self.how, self.advice, self.trace = how, advice, trace


class Worker(Protocol):
    """Plays one job after the other."""

    def play(self, job: Job) -> Episode:
        """Return the episode of a job.

        Raises:
            WorkerFault: if the worker can play no more.
            MseRlError: if the job cannot be played by any.
        """

    def end(self) -> None:
        """End the worker, whatever it does."""


SPAWN = get_context("spawn")
GRACE_SECONDS = 2.0
"""For which a worker may put away what it has begun to write."""


class ProcessWorker:
    """A worker that is a process of this machine.

    Args:
        equipment: what it needs.
        timeout_seconds: after which it counts as hung, if it has not come through its start or a slice.
    """

    def __init__(self, equipment: Equipment, timeout_seconds: float) -> None:
        self._timeout_seconds, self._began, self._hung = timeout_seconds, False, False
        self._pipe, end = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(end, equipment), daemon=True)
        self._process.start()
        end.close()

    def play(self, job: Job) -> Episode:
        """Return the episode of a job; see ``Worker``."""
        try:
            while not self._began:
                self._began = self._receive() is None
            with self._watched():
                self._pipe.send(job)
            while (answer := self._receive()) is None:
                pass
        except (EOFError, OSError) as error:
            raise self._fault() from error
        assert isinstance(answer, Episode)
        return answer

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join(GRACE_SECONDS)
        self._process.kill()  # if it is frozen
        self._process.join()

    def _receive(self) -> Any:
        """Return what the worker says next: None is a sign of life."""
        with self._watched():
            answer = self._pipe.recv()
        if isinstance(answer, MseRlError):
            raise answer
        if isinstance(answer, Raised):
            raise WorkerFault(f"raised {answer.line}", trace=answer.trace)
        return answer

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Kill the process if what is done here takes too long: it may be frozen in the middle of a word."""
        timer = threading.Timer(self._timeout_seconds, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _kill(self) -> None:
        self._hung = True
        self._process.kill()

    def _fault(self) -> WorkerFault:
        """Return how the process ended, which has closed its pipe.

        Raises:
            WorkerLost: if none can come through its start.
        """
        self._process.join(GRACE_SECONDS)
        code = self._process.exitcode
        if self._hung or code is None:
            how = f"showed no sign of life for {self._timeout_seconds:g} s"
            return WorkerFault(how, advice="raise `worker_timeout_seconds`")
        if code < 0:
            reason = ", most often for want of memory" if code == -signal.SIGKILL else ""
            how = f"was ended by {signal.Signals(-code).name}{reason}"
            return WorkerFault(how, advice="lower `workers` or `cache_mb`")
        if not self._began:
            raise WorkerLost(
                "no worker has come through its start: they import the script that is run, which must do "
                'nothing then but define things, and the rest under if __name__ == "__main__":'
            )
        return WorkerFault(f"ended with exit code {code}")


@dataclass(frozen=True)
class Raised:
    """An exception of a worker, as it travels to the main process.

    Args:
        line: what it says, in one line.
        trace: its traceback.
    """

    line: str
    trace: str

    @classmethod
    def of(cls, error: Exception) -> "Raised":
        """Describe an exception that is being handled."""
        said = " ".join(str(error).split())
        return cls(
            f"{type(error).__name__}: {said}" if said else type(error).__name__, traceback.format_exc()
        )


def _work(pipe: Connection, equipment: Equipment) -> None:
    """Play what comes through the pipe, until its other end is closed. SIGINT is blocked."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what is half written is removed
    atexit.register(os._exit, 0)  # torch's own end touches 110 MB more, and takes a second
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sign_of_life = partial(pipe.send, None)
    try:
        player = equipment.player()
        sign_of_life()
        for job in _jobs(pipe):
            pipe.send(_answer(player, job, sign_of_life))
    except Exception as error:
        with suppress(OSError):  # the main process has ended
            pipe.send(Raised.of(error))


def _answer(player: Player, job: Job, sign_of_life: Callable[[], None]) -> Episode | MseRlError:
    try:
        return player.play(job, sign_of_life)
    except MseRlError as error:
        return error


def _jobs(pipe: Connection) -> Iterator[Job]:
    with suppress(EOFError, OSError):
        while True:
            yield pipe.recv()


def _end_with_parent() -> None:
    """End this process when the main one is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
