"""What a worker is to the main process, and what it answers, wherever it runs."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mse_rl.agents.controller import Episode
from mse_rl.agents.jobs import Job
from mse_rl.errors import MseRlError


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


class Launcher(Protocol):
    """Starts workers.

    Attributes:
        workers: how many there are to be.
    """

    workers: int

    def start(self, *, again: bool) -> Worker:
        """Start a worker; ``again``, if in the place of one that was lost."""

    def close(self) -> None:
        """Give back what workers share, once they have ended."""


@dataclass(frozen=True)
class Raised:
    """An exception of a worker, as it travels.

    Args:
        line: what it says, in one line.
        trace: its traceback.
    """

    line: str
    trace: str


Value = TypeVar("Value")
Failure = MseRlError | Raised
"""What a worker answers where something has gone wrong."""


def attempt(function: Callable[[], Value]) -> Value | Failure:
    """Return, in a worker, what a function returns or raises."""
    try:
        return function()
    except MseRlError as error:
        return error
    except Exception as error:
        said, name = " ".join(str(error).split()), type(error).__name__
        return Raised(f"{name}: {said}" if said else name, traceback.format_exc())


def require(answer: Value | Failure) -> Value:
    """Return, in the main process, what a worker has answered.

    Raises:
        MseRlError: if no worker can do what was asked for.
        WorkerFault: if the worker has raised something else.
    """
    if isinstance(answer, MseRlError):
        raise answer
    if isinstance(answer, Raised):
        raise WorkerFault(f"raised {answer.line}", trace=answer.trace)
    return answer


def hung(seconds: float) -> WorkerFault:
    """Return the fault of a worker of which nothing was seen for so long."""
    return WorkerFault(f"showed no sign of life for {seconds:g} s", advice="raise `worker_timeout_seconds`")
