"""Workers that are lost: what they played is played again, and nothing of them is left."""

import os
import signal
import subprocess
import sys
from multiprocessing import active_children
from pathlib import Path

import pytest
from support.own import write_module
from support.playing import comparable

from mse_rl.agents.controller import run_episode
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.processes import end_once
from mse_rl.agents.rules import make_rule
from mse_rl.agents.shared_folder import PREFIX, SharedFolder
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidController, WorkerLost

CONTEXT = Context(0, 0, 4.0, 1.0)
SEEDS = (1, 2)
SOURCE = """
    import os
    import signal
    from pathlib import Path

    def once(name):
        mark = Path(__file__).with_name(name)
        if mark.exists():
            return False
        mark.touch()
        return True

    class Widens:
        def decide(self, point):
            if once("raised"):
                raise ValueError("the first time\\nit goes wrong")
            if once("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if once("frozen"):
                os.kill(os.getpid(), signal.SIGSTOP)
            return 2

    class Raises:
        def decide(self, point):
            raise ValueError("always")

    class Wrong:
        def decide(self, point):
            return -1
"""


@pytest.fixture
def module(monkeypatch, tmp_path):
    return write_module(monkeypatch, tmp_path, SOURCE)


@pytest.fixture
def env(tiny, task):
    return ExpansionEnv(tiny, tasks=(task,))


def spawned():
    return [child for child in active_children() if child.name.startswith("SpawnProcess")]


def freeze_and_wait_no_longer(pool):
    """Freeze the worker that is there, which then counts as hung at once."""
    (worker,) = pool._running.values()
    worker._timeout_seconds = 0.2
    os.kill(worker._process.pid, signal.SIGSTOP)


def test_workers_that_are_lost_are_replaced_and_results_stay_what_they_are(env, module, tmp_path):
    for mark in ("raised", "killed", "frozen"):
        (tmp_path / mark).touch()
    expected = run_episode(env, make_rule(f"{module}:Widens"), CONTEXT, seeds=SEEDS)
    for mark in ("raised", "killed"):
        (tmp_path / mark).unlink()
    job, log = Job(f"{module}:Widens", CONTEXT, SEEDS), tmp_path / "workers.log"
    with WorkerPool(env, 1, log=log) as pool:
        (after_two,) = pool.play([job])
        assert pool.restarts == [2]
        freeze_and_wait_no_longer(pool)
        after_three, again = pool.play([job, job])
        assert pool.restarts == [3]
        pool._most_restarts = 3
        with pytest.raises(WorkerLost, match="one more raised ValueError: always") as e:
            list(pool.play([Job(f"{module}:Raises", CONTEXT, SEEDS)]))
    assert len(str(e.value).splitlines()) == 1
    assert comparable(after_two) == comparable(after_three) == comparable(again) == comparable(expected)
    told = log.read_text()
    assert "worker 0 raised ValueError: the first time it goes wrong\nTraceback " in told
    assert "worker 0 was ended by SIGKILL" in told
    assert "worker 0 showed no sign of life for 0.2 s" in told
    assert not spawned()
    assert not pool._launcher.shared.path.exists()


def test_a_users_mistake_is_told_as_it_is_and_a_frozen_worker_is_ended_with_the_pool(env, module):
    with WorkerPool(env, 1) as pool:
        with pytest.raises(InvalidController, match="to decide on an action, a whole number"):
            list(pool.play([Job(f"{module}:Wrong", CONTEXT, SEEDS)]))
        list(pool.play([Job("wait", CONTEXT, SEEDS)]))
        (worker,) = spawned()
        os.kill(worker.pid, signal.SIGSTOP)
    assert pool.restarts == [0]
    assert not spawned()


HOLDS = """
import sys, time
from pathlib import Path
from mse_rl.agents.shared_folder import SharedFolder
folder = SharedFolder(home=Path(sys.argv[1]))
print(folder.path, flush=True)
time.sleep(600)
"""


def test_what_a_killed_run_has_left_is_swept_and_what_others_use_is_not(tmp_path):
    def run():
        return subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )

    with run() as killed, run() as other:
        left, used = (Path(process.stdout.readline().strip()) for process in (killed, other))
        (left / "entry").touch()
        killed.kill()
        killed.wait()
        try:
            own = SharedFolder(home=tmp_path)
            assert set(tmp_path.glob(f"{PREFIX}*")) == {used, own.path}
            guest = SharedFolder("mine", tmp_path), SharedFolder("mine", tmp_path)
            for folder in (own, own, guest[0]):
                folder.leave()
            assert set(tmp_path.glob(f"{PREFIX}*")) == {used, guest[1].path}
            guest[1].leave()
            assert set(tmp_path.glob(f"{PREFIX}*")) == {used}
        finally:
            other.kill()


def test_a_worker_heeds_the_first_of_two_signals():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stop:
            end_once(signal.SIGTERM, None)
        assert (stop.value.code, signal.getsignal(signal.SIGTERM)) == (143, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGTERM, before)
