"""Workers that are processes of this machine, each with a pipe to the main one."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job, Player
from mse_rl.agents.shared_folder import SharedFolder
from mse_rl.agents.spawning import require_spawnable
from mse_rl.agents.workers import WorkerFault, attempt, hung, require
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import WorkerLost

SPAWN = get_context("spawn")
GRACE_SECONDS = 2.0
"""For which a worker may put away what it has begun to write."""


class ProcessWorker:
    """A worker that is a process.

    Args:
        make_player: gives what plays, in the process.
        timeout_seconds: after which it counts as hung, if it has not come through its start or a slice.
    """

    def __init__(self, make_player: Callable[[], Player], timeout_seconds: float) -> None:
        self._timeout_seconds, self._began, self._hung = timeout_seconds, False, False
        self._pipe, end = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(end, make_player), daemon=True)
        self._process.start()
        end.close()

    def play(self, job: Job) -> Episode:
        """Return the episode of a job; see ``Worker``."""
        try:
            if not self._began:
                require(self._receive())
                self._began = True
            with self._watched():
                self._pipe.send(job)
            while (answer := self._receive()) is None:
                pass
        except (EOFError, OSError) as error:
            raise self._fault() from error
        episode: Episode = require(answer)
        return episode

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.terminate()
        self._process.join(GRACE_SECONDS)
        self._process.kill()  # if it is frozen
        self._process.join()

    def _receive(self) -> Any:
        """Return what the worker says next: None is a sign of life, and the first thing that it says."""
        with self._watched():
            return self._pipe.recv()

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
            return hung(self._timeout_seconds)
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


def _work(pipe: Connection, make_player: Callable[[], Player]) -> None:
    """Play what comes through the pipe, until its other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    signal.signal(signal.SIGTERM, end_once)
    atexit.register(os._exit, 0)  # torch's own end touches 110 MB more, and takes a second
    threading.Thread(target=_end_with_parent, daemon=True).start()
    player = attempt(make_player)
    if not isinstance(player, Player):
        pipe.send(player)
        return
    sign_of_life = partial(pipe.send, None)
    sign_of_life()
    for job in _jobs(pipe):
        pipe.send(attempt(partial(player.play, job, sign_of_life)))


def end_once(number: int, frame: FrameType | None) -> None:
    """End this process in good order, so that what is half written is removed; more such signals are ignored.

    A second one comes where all processes of a group get it, and the main one ends its workers as well.
    """
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)


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


class ProcessLauncher:
    """Starts processes, which share the tasks' tensors and a folder.

    Args:
        env: whose configuration, tasks and meter theirs have.
        workers: how many.
        timeout_seconds: see ``ProcessWorker``.

    Raises:
        InvalidConfig: if they cannot start here, or not get what they need; see ``require_spawnable``.
    """

    def __init__(self, env: ExpansionEnv, workers: int, timeout_seconds: float) -> None:
        require_spawnable(env.config, env.meter)
        self.workers, self._timeout_seconds = workers, timeout_seconds
        self.shared = SharedFolder()
        resource_tracker.ensure_running()  # as it starts, it lets signals through to who starts it
        self._make_player = partial(Player, env.config, env.tasks, env.meter, self.shared.path)

    def start(self, *, again: bool) -> ProcessWorker:
        """Start a process."""
        return ProcessWorker(self._make_player, self._timeout_seconds)

    def close(self) -> None:
        """Remove the folder."""
        self.shared.leave()
