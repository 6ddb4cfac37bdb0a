"""Workers on Ray play what processes play; lost ones are replaced. Skipped where Ray is not installed."""

import os
from dataclasses import replace

import pytest
from support.playing import comparable

from mse_rl.agents.controller import run_episode
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.rules import make_rule
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, InvalidController

ray = pytest.importorskip("ray", reason="pip install 'mse-rl[ray]'")
pytestmark = pytest.mark.filterwarnings("default")  # Ray's own
SEEDS = (1, 2)


@pytest.fixture(scope="module")
def cluster():
    os.environ |= {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_worker_niceness": "0"}
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_actors_play_what_is_played_here_and_are_replaced(cluster, tiny, task, tmp_path):
    env = ExpansionEnv(tiny, tasks=(task,))
    jobs = [Job("widen", Context(0, seed, 4.0, 1.0), SEEDS) for seed in range(6)]
    expected = [comparable(run_episode(env, make_rule("widen"), job.context, seeds=SEEDS)) for job in jobs]
    with WorkerPool(env, "ray", log=tmp_path / "log") as pool:
        assert pool.workers == 2
        assert [comparable(played) for played in pool.play(jobs)] == expected
        for worker in pool._running.values():
            ray.kill(worker._actor)
        assert [comparable(played) for played in pool.play(jobs)] == expected
        assert pool.restarts == [1, 1]
        with pytest.raises(InvalidController, match="nonsense"):
            list(pool.play([Job("nonsense", jobs[0].context, SEEDS)]))
    assert "worker 0 was lost" in (tmp_path / "log").read_text()


def test_latencies_are_those_of_one_machine(tiny, task):
    config = replace(tiny, budget=replace(tiny.budget, cost="latency"))
    with pytest.raises(InvalidConfig, match="latency is measured on one machine"):
        WorkerPool(ExpansionEnv(config, tasks=(task,)), "ray:2")
