"""What workers play: an episode, or the rest of one, by a rule, a policy or a controller of the user's.

An episode is a function of controller, context and the controller's seeds, so it does not matter which worker
plays it, when, or how often it was begun before: a run with one worker is the run with eight.
"""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

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
from mse_rl.growth.cache import make_cache
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


def _controller(spec: Spec) -> Controller:
    return _made(spec) if isinstance(spec, str | PolicyWeights) else spec


@lru_cache(maxsize=8)
def _made(spec: str | PolicyWeights) -> Controller:
    return make_rule(spec) if isinstance(spec, str) else spec.controller()


TRIMMED_AFTER = 20
"""Episodes after which a worker gives memory back; it takes some milliseconds."""


class Player:
    """Plays jobs in a process of its own, in one environment, with one thread.

    Args:
        config: of the environment.
        tasks: the datasets.
        meter: tells latencies.
        shared: folder of prefixes and latencies that the workers of a machine share.
    """

    def __init__(self, config: ExpansionConfig, tasks: tuple[Task, ...], meter: Meter, shared: Path) -> None:
        torch.set_num_threads(1)
        self._env = ExpansionEnv(
            config, tasks=tasks, cache=make_cache(config, shared), meter=meter.within(shared)
        )
        self._episodes = 0
        SGD([torch.zeros(1)], lr=1.0)  # the first optimizer imports a large part of torch
        gc.collect()
        gc.freeze()  # what is there now stays: collecting it again and again took a tenth of a decision

    def play(self, job: Job, on_slice: Callable[[], None]) -> Episode:
        """Play a job; ``on_slice`` is called after each slice."""
        episode = run_episode(
            self._env,
            _controller(job.controller),
            job.context,
            seeds=job.seeds,
            path=job.path,
            test=job.test,
            on_step=on_slice,
        )
        for decisions in job.shared:
            self._env.process.prefix.share(decisions)
        self._episodes += 1
        if self._episodes % TRIMMED_AFTER == 0:
            give_back_memory()
        return episode


def give_back_memory() -> None:
    """Give memory that is free back to the system, where the C library can (glibc).

    Children of ever new sizes leave gaps between what is in use: a worker would grow for thousands of
    episodes. It takes some milliseconds.
    """
    with suppress(OSError, TypeError, AttributeError):  # there is no such library, or no such function
        ctypes.CDLL(None).malloc_trim(0)
