"""Workers: processes that play whole episodes.

An episode is a function of controller, context and the controller's seed, so it does not matter
which worker plays it, or when: a run with one worker is the run with eight.
"""

import atexit
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from mse_rl.agents.learned import Learned
from mse_rl.agents.network import BlockNetwork
from mse_rl.agents.rollout import Episode, run_episode
from mse_rl.agents.rules import make_rule
from mse_rl.config import ExpansionConfig
from mse_rl.envs.expansion import Context, ExpansionEnv


@dataclass(frozen=True)
class PolicyWeights:
    """A policy as arrays, so that it travels between processes.

    Args:
        arrays: the network's state dict.
        draws: see ``Learned``.
    """

    arrays: dict[str, NDArray[np.float32]]
    draws: bool

    @classmethod
    def of(cls, network: BlockNetwork, *, draws: bool) -> "PolicyWeights":
        """Copy the weights of ``network``."""
        return cls({name: t.detach().cpu().numpy().copy() for name, t in network.state_dict().items()}, draws)

    def controller(self) -> Learned:
        """Build the controller."""
        network = BlockNetwork()
        network.load_state_dict({name: torch.from_numpy(array) for name, array in self.arrays.items()})
        return Learned(network, draws=self.draws)


@dataclass(frozen=True)
class Job:
    """Episodes that one worker plays in turn; those of a shared context share its cache.

    Args:
        controllers: for each episode, a rule's name or a policy.
        context: of all of them.
        seeds: for each episode, the controller's.
        test: measure finished children on the test split.
    """

    controllers: tuple[str | PolicyWeights, ...]
    context: Context
    seeds: tuple[int, ...]
    test: bool = False


_env: ExpansionEnv | None = None
"""The environment of this worker process."""


def _begin(config: ExpansionConfig) -> None:
    global _env
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends the workers
    atexit.register(os._exit, 0)  # torch's own end touches 110 MB more, and takes a second
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    _env = ExpansionEnv(config)


def _end_with_parent() -> None:
    """End this process when the main one is gone, however it went."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _play(job: Job) -> list[Episode]:
    assert _env is not None
    controllers = [
        make_rule(spec) if isinstance(spec, str) else spec.controller() for spec in job.controllers
    ]
    return [
        run_episode(_env, controller, job.context, rng=np.random.default_rng(seed), test=job.test)
        for controller, seed in zip(controllers, job.seeds, strict=True)
    ]


class WorkerPool:
    """A number of worker processes, each with an environment and one thread.

    Args:
        config: of the environments.
        workers: number of processes.
    """

    def __init__(self, config: ExpansionConfig, workers: int) -> None:
        self._executor = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin, initargs=(config,)
        )

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._executor.shutdown(cancel_futures=True)

    def play(self, jobs: list[Job]) -> Iterator[list[Episode]]:
        """Yield the episodes of each job, in the order of the jobs, as soon as they are done."""
        for future in [self._executor.submit(_play, job) for job in jobs]:
            yield future.result()
