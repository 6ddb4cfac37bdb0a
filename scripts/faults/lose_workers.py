"""Workers that are killed, frozen or raise, in every phase of a run: is the result what it would have been?

    python scripts/faults/lose_workers.py --trials 60

Trains the same tiny policy again and again with two workers: once as it is, then with one worker lost in each
run. Prints a line of JSON for each run, and at the end how many were equal to the first to the bit, how often
workers were replaced, and how many processes and shared folders are left.
"""

import json
import os
import shutil
import signal
import threading
import time
from dataclasses import dataclass
from multiprocessing import active_children
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

import tyro

from mse_rl import ExpansionConfig, GrowthConfig, PPOConfig, RewardConfig, TrainConfig
from mse_rl.agents.shared_folder import MEMORY, PREFIX
from mse_rl.costs.reward import RewardInputs, potential
from mse_rl.runs.learning import Listener
from mse_rl.runs.train import train

HOME = Path(os.environ.get("MSE_RL_FAULTS") or mkdtemp(prefix="mse-rl-faults-"))
os.environ["MSE_RL_FAULTS"] = str(HOME)  # for the workers, which import this file
RAISES = HOME / "raises"
"""While it is there, the next worker that asks for a reward raises an exception."""
EPISODES, CONTEXTS = 16, 2
PHASES = ("start", "first slices", "learning", "last slices", "comparison", "end")
KINDS = ("killed", "frozen", "raising")


@dataclass(frozen=True)
class Arguments:
    """What is tried."""

    trials: int = 60
    timeout_seconds: float = 30.0
    """After which a frozen worker counts as hung."""
    seed: int = 0


def reward(worth: RewardInputs, config: RewardConfig) -> dict[str, float]:
    """Return the usual reward, unless the worker that asks is to raise an exception."""
    try:
        RAISES.unlink()
    except FileNotFoundError:
        return potential(worth, config)
    raise ValueError("injected")


def main(arguments: Arguments) -> None:
    """Print the figures."""
    rng = Random(arguments.seed)
    expected, _ = run(arguments, None, None, rng)
    equal = replaced = 0
    for trial in range(arguments.trials):
        kind, phase = KINDS[trial % 3], PHASES[trial // 3 % len(PHASES)]
        began = time.perf_counter()
        got, restarts = run(arguments, kind, phase, rng)
        equal, replaced = equal + (got == expected), replaced + restarts
        line = {"trial": trial, "worker": kind, "phase": phase, "equal": got == expected}
        seconds = round(time.perf_counter() - began, 1)
        print(json.dumps(line | {"replaced": restarts, "seconds": seconds}), flush=True)
    left = {"processes": len(active_children()), "folders": len(list(MEMORY.glob(f"{PREFIX}*")))}
    print(json.dumps({"runs": arguments.trials, "equal": equal, "replaced": replaced, "left": left}))
    shutil.rmtree(HOME)


class Injector:
    """Loses one worker in one phase of a run.

    Args:
        kind: what happens to it; nothing if None.
        phase: when.
        rng: draws which worker.
    """

    def __init__(self, kind: str | None, phase: str | None, rng: Random) -> None:
        self._kind, self._phase, self._rng = kind, phase, rng
        self._episodes = self._contexts = 0

    def started(self, _: Path, episodes: int) -> None:
        """See the beginning of the run."""
        if self._phase == "start":
            threading.Thread(target=self._when_there_are_workers, daemon=True).start()

    def episode(self, _: Any) -> None:
        """See that an episode was learned from."""
        self._episodes += 1
        phases = {1: "first slices", EPISODES // 2: "learning", EPISODES - 3: "last slices"}
        self._lose(phases.get(self._episodes))

    def context(self) -> None:
        """See that the policy was compared on a context."""
        self._contexts += 1
        self._lose("comparison" if self._contexts == 1 else "end")

    def _when_there_are_workers(self) -> None:
        while not active_children():
            time.sleep(0.01)
        time.sleep(self._rng.uniform(0, 2))
        self._lose("start")

    def _lose(self, phase: str | None) -> None:
        if self._kind is None or phase != self._phase:
            return
        if self._kind == "raising":
            RAISES.touch()
            return
        worker = self._rng.choice(active_children())
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL if self._kind == "killed" else signal.SIGSTOP)


def run(arguments: Arguments, kind: str | None, phase: str | None, rng: Random) -> tuple[Any, int]:
    """Return what comes of a run, and how often its workers were replaced."""
    shutil.rmtree(HOME / "run", ignore_errors=True)
    RAISES.unlink(missing_ok=True)
    config = TrainConfig(
        env=ExpansionConfig(
            task=("wine",),
            growth=GrowthConfig(slices=3, training_steps=30),
            reward=RewardConfig(reward=reward),
        ),
        ppo=PPOConfig(groups=2, rollouts=4),
        episodes=EPISODES,
        workers=2,
        held_out=CONTEXTS,
        run_dir=HOME / "run",
        worker_timeout_seconds=arguments.timeout_seconds,
    )
    injector = Injector(kind, phase, rng)
    listener = Listener(on_start=injector.started, on_episode=injector.episode, on_context=injector.context)
    folder = train(config, listener=listener).folder
    lines = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    log = folder / "workers.log"
    lost = sum(" worker " in line for line in log.read_text().splitlines()) if log.exists() else 0
    policy = (folder / "policy" / "policy.safetensors").read_bytes()
    return (policy, lines, (folder / "summary.json").read_text()), lost


if __name__ == "__main__":
    main(tyro.cli(Arguments))
