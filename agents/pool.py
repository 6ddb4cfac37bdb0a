"""Workers: processes that play episodes.

An episode is a function of controller, context and the controller's seeds, so it does not matter
which worker plays it, or when: a run with one worker is the run with eight.
"""

import atexit
import gc
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import torch
from safetensors.torch import load, save
from torch.optim import SGD

from mse_rl.agents.controller import Controller
from mse_rl.agents.learned import Learned
from mse_rl.agents.network import BlockNetwork
from mse_rl.agents.rollout import Episode, run_episode
from mse_rl.agents.rules import make_rule
from mse_rl.agents.spawning import require_spawnable
from mse_rl.config import ExpansionConfig
from mse_rl.data import Task
from mse_rl.envs.caching import make_cache
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.envs.layout import Layout
from mse_rl.errors import WorkerLost
from mse_rl.measures import Meter
from mse_rl.transformations import Decision


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
        _env.process.trajectory.share(decisions)
    return episode


def _controller(spec: Spec) -> Controller:
    return _made(spec) if isinstance(spec, str | PolicyWeights) else spec


@lru_cache(maxsize=8)
def _made(spec: str | PolicyWeights) -> Controller:
    return make_rule(spec) if isinstance(spec, str) else spec.controller()


class WorkerPool:
    """A number of worker processes, each with an environment and one thread.

    They share the tasks' tensors, and a folder of trajectories and latencies, which is in memory where that
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
                "ended for want of memory: lower `workers`"
            ) from error
        if isinstance(error, BrokenProcessPool):
            raise WorkerLost(
                "a worker was ended from outside, most often for want of memory: "
                "lower `workers` or `cache_mb`"
            ) from error

    def submit(self, job: Job) -> "Future[Episode]":
        """Let a worker play a job as soon as one is free."""
        return self._executor.submit(_play, job)

    def play(self, jobs: list[Job]) -> Iterator[Episode]:
        """Yield the episode of each job, in the order of the jobs, as soon as they are done."""
        for future in [self.submit(job) for job in jobs]:
            yield future.result()
