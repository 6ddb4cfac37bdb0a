"""Workers: processes that play episodes.

An episode is a function of controller, context and the controller's seeds, so it does not matter which worker
plays it, or when: a run with one worker is the run with eight. Whether workers can start, and get what they
need, is said before they do.
"""

import ast
import atexit
import gc
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType, ModuleType, TracebackType

import torch
from safetensors.torch import load, save
from torch.optim import SGD

from mse_rl.agents.controller import Controller, Episode, run_episode
from mse_rl.agents.learned import BlockNetwork, Learned
from mse_rl.agents.rules import make_rule
from mse_rl.config.training import ExpansionConfig
from mse_rl.costs.measures import Meter
from mse_rl.data import Task
from mse_rl.envs.actions import Layout
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, WorkerLost
from mse_rl.growth.cache import make_cache
from mse_rl.transformations import Decision

MAIN = "__main__"


def require_spawnable(config: ExpansionConfig, meter: Meter) -> None:
    """Raise unless workers can start, and get settings and meter.

    Args:
        config: names what workers import.
        meter: is sent to them.

    Raises:
        InvalidConfig: if the script that is run has no main guard, or what they need is in a notebook or
            cannot be sent.
    """
    main = sys.modules[MAIN]
    if (script := _script(main)) is not None:
        _require_guard(script, _line_of(main))
    elif lost := [name for name in _names(config, meter) if name.partition(":")[0] == MAIN]:
        raise InvalidConfig(
            f"workers cannot import {' and '.join(lost)}, defined in a notebook or a session: put it into a "
            "file, as my_module.py, and import it from there"
        )
    try:
        pickle.dumps((config, meter))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InvalidConfig(
            f"expected settings and a meter that can be sent to workers, got: {error}; define what they are "
            "made of at the top of a module"
        ) from error


def _names(config: ExpansionConfig, meter: Meter) -> tuple[str, ...]:
    """Return the names that workers may have to import: all but those of tasks, which are sent whole."""
    kind = type(meter)
    transformations = config.growth.transformations or ()
    return config.reward.reward, config.budget.cost, *transformations, f"{kind.__module__}:{kind.__name__}"


def _script(main: ModuleType) -> Path | None:
    """Return the file that workers import; None if they import none: in a notebook, or for ``python -m`` of a
    package.
    """
    spec, file = getattr(main, "__spec__", None), getattr(main, "__file__", None)
    if file is None or (spec is not None and spec.name.rpartition(".")[2] == MAIN):
        return None
    return Path(file)


def _line_of(main: ModuleType) -> int | None:
    """Return the line of the script that has called this; None if another thread has begun here."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals is vars(main) and frame.f_code.co_name == "<module>":
            return frame.f_lineno
        frame = frame.f_back
    return None


def _require_guard(script: Path, line: int | None) -> None:
    """Raise if a script starts workers whoever imports it: workers do.

    Any condition around the call, and any on ``__name__``, is taken for a guard.
    """
    try:
        tree = ast.parse(script.read_bytes())
    except OSError as error:
        raise InvalidConfig(
            f"workers cannot import {script} ({error.strerror}): put what is run into a file"
        ) from error
    except (SyntaxError, ValueError):  # not a script in Python, but one that is run by it
        return
    conditions = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    guarded = any(
        node.lineno <= (line or 0) <= (node.end_lineno or 0) or "__name__" in ast.unparse(node.test)
        for node in conditions
    )
    if line is not None and not guarded:
        raise InvalidConfig(
            f"workers import {script.name}, and would run its line {line} again: put what it does under "
            'if __name__ == "__main__":'
        )


@dataclass(frozen=True)
class PolicyWeights:
    """A policy as bytes, so that it travels between processes.

    Args:
        layout: of the network.
        content: its state dict as safetensors.
        draws: see ``Learned``.
    """

    layout: Layout
    content: bytes
    draws: bool

    @classmethod
    def of(cls, network: BlockNetwork, *, draws: bool) -> "PolicyWeights":
        """Copy the weights of ``network``."""
        return cls(network.layout, save(network.state_dict()), draws)

    def controller(self) -> Learned:
        """Build the controller."""
        network = BlockNetwork(self.layout)
        network.load_state_dict(load(self.content))
        return Learned(network, draws=self.draws)


Spec = str | PolicyWeights | Controller
"""What a worker makes a controller of."""


@dataclass(frozen=True)
class Job:
    """An episode, or the rest of one.

    Args:
        controller: a rule's name, a policy, or a controller of the user's, of which each episode gets a copy.
        context: which episode.
        seeds: of the controller, one for each decision.
        path: what was decided already, in another episode.
        shared: numbers of decisions after which others will go on.
        test: measure the finished child on the test split.
    """

    controller: Spec
    context: Context
    seeds: tuple[int, ...]
    path: tuple[Decision, ...] = ()
    shared: tuple[int, ...] = ()
    test: bool = False


BEGUN = "begun"
"""The file by which workers show that they have come through what they import."""
_env: ExpansionEnv | None = None
"""The environment of this worker process."""


def _begin(config: ExpansionConfig, tasks: tuple[Task, ...], meter: Meter, shared: Path) -> None:
    global _env
    (shared / BEGUN).touch()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    atexit.register(os._exit, 0)  # torch's own end touches 110 MB more, and takes a second
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _env = ExpansionEnv(config, tasks=tasks, cache=make_cache(config, shared), meter=meter.within(shared))
    SGD([torch.zeros(1)], lr=1.0)  # the first optimizer imports a large part of torch
    gc.collect()
    gc.freeze()  # what is there now stays: collecting it again and again took a tenth of a decision


def _end_with_parent() -> None:
    """End this process when the main one is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _play(job: Job) -> Episode:
    assert _env is not None
    episode = run_episode(
        _env, _controller(job.controller), job.context, seeds=job.seeds, path=job.path, test=job.test
    )
    for decisions in job.shared:
        _env.process.prefix.share(decisions)
    return episode


def _controller(spec: Spec) -> Controller:
    return _made(spec) if isinstance(spec, str | PolicyWeights) else spec


@lru_cache(maxsize=8)
def _made(spec: str | PolicyWeights) -> Controller:
    return make_rule(spec) if isinstance(spec, str) else spec.controller()


class WorkerPool:
    """A number of worker processes, each with an environment and one thread.

    They share the tasks' tensors, and a folder of prefixes and latencies, which is in memory where that
    can be.

    Args:
        env: whose configuration, tasks and meter theirs have.
        workers: number of processes.

    Raises:
        InvalidConfig: if workers cannot start here, or not get what they need; see ``require_spawnable``.
    """

    def __init__(self, env: ExpansionEnv, workers: int) -> None:
        require_spawnable(env.config, env.meter)
        self.workers = workers
        memory = Path("/dev/shm")
        self._shared = TemporaryDirectory(
            prefix="mse-rl-", dir=memory if os.access(memory, os.W_OK) else None, ignore_cleanup_errors=True
        )
        self._executor = ProcessPoolExecutor(
            workers,
            mp_context=get_context("spawn"),
            initializer=_begin,
            initargs=(env.config, env.tasks, env.meter, Path(self._shared.name)),
        )

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)
        begun = Path(self._shared.name, BEGUN).exists()
        self._shared.cleanup()
        if isinstance(error, BrokenProcessPool) and not begun:
            raise WorkerLost(
                "no worker has come through its start: they import the script that is run, which must do "
                'nothing then but define things, and the rest under if __name__ == "__main__":; or they were '
                "ended because memory ran out: lower `workers`"
            ) from error
        if isinstance(error, BrokenProcessPool):
            raise WorkerLost(
                "a worker was ended from outside, most often because memory ran out: "
                "lower `workers` or `cache_mb`"
            ) from error

    def submit(self, job: Job) -> "Future[Episode]":
        """Queue a job for the next free worker."""
        return self._executor.submit(_play, job)

    def play(self, jobs: list[Job]) -> Iterator[Episode]:
        """Yield the episode of each job, in the order of the jobs, as soon as they are done."""
        for future in [self.submit(job) for job in jobs]:
            yield future.result()
