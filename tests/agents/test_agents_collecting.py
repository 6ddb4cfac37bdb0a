"""Rollouts of an update are what each would be by itself, whatever is done in which order."""

from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from unittest.mock import patch
from zlib import crc32

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.playing import comparable, episode
from support.schedules import even

from mse_rl.agents.controller import run_episode
from mse_rl.agents.grouping import TRAINING, Collector, Group, context_of, draw_seeds, forks
from mse_rl.agents.jobs import Job, PolicyWeights
from mse_rl.agents.learned import BlockNetwork
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.expansion import Context, ExpansionEnv

SEED = 5
POLICY = object()
"""Stands in for the weights of a policy where nobody looks at them."""


def first_of(jobs):
    return [jobs[0]]


def last_of(jobs):
    return [jobs[-1]]


class Pool:
    """Stands in for workers: plays jobs in this process, and ends them in an order that is given.

    Args:
        play: gives the episode of a job.
        ending: picks those that end next, of the jobs in flight.
        workers: how many it says to have.
    """

    def __init__(self, play, ending=first_of, workers=2):
        self.play, self.ending, self.workers = play, ending, workers
        self.jobs, self.ended, self.in_flight, self.most = [], [], {}, 0

    def submit(self, job):
        self.jobs.append((job, tuple(self.ended)))
        future = Future()
        self.in_flight[job] = future
        self.most = max(self.most, len(self.in_flight))
        return future

    def wait(self, running, return_when):
        assert set(running) == set(self.in_flight.values())
        assert return_when == FIRST_COMPLETED
        for job in self.ending(list(self.in_flight)):
            self.ended.append(job)
            self.in_flight.pop(job).set_result(self.play(job))
        return wait(running, timeout=0, return_when=return_when)

    def collect(self, groups, rollouts, decisions, policy=POLICY):
        """Return what a collector yields."""
        collector = Collector(self, rollouts=rollouts, decisions=decisions, seed=SEED, stream=TRAINING)
        with patch("mse_rl.agents.grouping.wait", self.wait):
            return list(collector.collect(policy, groups))


def seeds_of(group, rollout, rollouts, decisions):
    return draw_seeds(SEED, TRAINING, group.number, rollout=rollout, rollouts=rollouts, decisions=decisions)


def toy(job):
    """Play a job where nothing is trained: a seed decides what to do, and doing 0 ends the episode."""
    names = [name for name, _ in job.path]
    assert "0" not in names
    actions, rewards = [], []
    for seed in job.seeds[len(names) :]:
        names.append(str(seed % 5))
        actions.append(seed % 5)
        rewards.append(float(crc32(f"{job.context} {names}".encode())))
        if names[-1] == "0":
            break
    played = episode(actions, rewards, markers=[r % 1000 for r in rewards], context=job.context)
    went_well = {"fault": None, "failed": False}
    infos = [went_well | {"transformation": name, "target": None} for name in names[len(job.path) :]]
    return replace(played, infos=infos)


@st.composite
def updates(draw):
    """Draw groups, their size, the number of decisions, and a pool that ends jobs in some order."""
    costs = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    groups = [Group(Context(0, number, 2.0, 1.0), 10 + number, cost) for number, cost in enumerate(costs)]
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))

    def some_of(jobs):
        return [jobs[index] for index in rng.permutation(len(jobs))[: rng.integers(1, len(jobs) + 1)]]

    pool = Pool(toy, draw(st.sampled_from([first_of, last_of, some_of])), workers=draw(st.integers(1, 4)))
    return pool, groups, draw(st.integers(2, 9)), draw(st.integers(1, 6))


@given(updates())
def test_every_rollout_comes_out_once_in_order_and_as_if_played_alone(update):
    pool, groups, rollouts, decisions = update
    collected = pool.collect(groups, rollouts, decisions)
    for group, episodes in zip(groups, collected, strict=True):
        assert len(episodes) == rollouts
        for rollout, played in enumerate(episodes):
            alone = toy(Job(POLICY, group.context, seeds_of(group, rollout, rollouts, decisions)))
            assert comparable(played) == comparable(alone)
    assert len({(job.context, job.seeds) for job, _ in pool.jobs}) == len(pool.jobs)
    assert not pool.in_flight


@given(updates())
def test_workers_have_work_and_one_job_more_waits_for_them_but_no_two(update):
    pool, groups, rollouts, decisions = update
    pool.collect(groups, rollouts, decisions)
    roots = len(groups) * (1 + sum(fork.decision == 0 for fork in forks(rollouts, decisions)))
    assert min(roots, pool.workers + 1) <= pool.most <= pool.workers + 1


@given(updates())
def test_longer_work_begins_first(update):
    """What begins before a root of a tree, which could have begun at any time, is at least as long."""
    pool, groups, rollouts, decisions = update
    pool.collect(groups, rollouts, decisions)
    costs = {group.context: group.cost for group in groups}
    rests = [costs[job.context] * (decisions - len(job.path)) for job, _ in pool.jobs]
    for index, (job, _) in enumerate(pool.jobs):
        if not job.path:
            assert min(rests[: index + 1]) == rests[index]


@given(updates())
def test_who_goes_on_from_another_finds_what_that_one_was_told_to_share(update):
    pool, groups, rollouts, decisions = update
    pool.collect(groups, rollouts, decisions)
    wanted = set()
    for job, ended in pool.jobs:
        at = len(job.path)
        if at:
            before = [o for o in ended if o.context == job.context and o.seeds[:at] == job.seeds[:at]]
            assert any(at in other.shared for other in before)
            wanted.add((job.context, job.seeds[:at]))
    told = {(job.context, job.seeds[:at]) for job, _ in pool.jobs for at in job.shared}
    over = {
        (job.context, job.seeds[:at])
        for job, _ in pool.jobs
        for at in job.shared
        if at >= len(job.path) + len(toy(job).actions)
    }
    assert told - over == wanted


def troubled(job):
    """Play a job in which doing 3 goes wrong."""
    played = toy(job)
    infos = [info | {"fault": "time" if info["transformation"] == "3" else None} for info in played.infos]
    return replace(played, infos=infos)


@given(updates())
def test_nobody_goes_on_from_what_went_wrong(update):
    pool, groups, rollouts, decisions = update
    pool.play = troubled
    collected = pool.collect(groups, rollouts, decisions)
    assert not any(name == "3" for job, _ in pool.jobs for name, _ in job.path)
    for group, episodes in zip(groups, collected, strict=True):
        for rollout, played in enumerate(episodes):
            alone = troubled(Job(POLICY, group.context, seeds_of(group, rollout, rollouts, decisions)))
            assert comparable(played) == comparable(alone)


def test_nobody_waits_for_the_slowest():
    """Of two jobs in flight the one that came first does not end before there is nothing else to do."""
    groups = [Group(Context(0, number, 2.0, 1.0), number, cost=1.0) for number in range(3)]
    pool = Pool(toy, last_of, workers=1)
    pool.collect(groups, rollouts=8, decisions=4)
    slow = pool.jobs[0][0]
    meanwhile = pool.ended[: pool.ended.index(slow)]
    assert len(meanwhile) > 12
    for job in pool.ended[len(meanwhile) + 1 :]:  # what had to wait goes on from there
        assert job.context == slow.context
        assert job.seeds[0] == slow.seeds[0]


def test_groups_are_handed_out_as_soon_as_they_and_those_before_are_done():
    groups = [Group(Context(0, number, 2.0, 1.0), number, cost=3.0 - number) for number in range(3)]
    pool, ended = Pool(toy, workers=1), []
    collector = Collector(pool, rollouts=4, decisions=3, seed=SEED, stream=TRAINING)
    with patch("mse_rl.agents.grouping.wait", pool.wait):
        for _ in collector.collect(POLICY, groups):
            ended.append(len(pool.ended))
    assert ended[0] < ended[1] < ended[2] == len(pool.jobs)


def test_an_error_of_a_worker_is_raised():
    def fail(job):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Pool(fail).collect([Group(Context(0, 0, 2.0, 1.0), 0, 1.0)], 2, 2)


@pytest.fixture(scope="module")
def policy():
    network = BlockNetwork(Layout.of(ActionTable(1)))
    network.reset_parameters_(torch.Generator().manual_seed(0))
    return PolicyWeights.of(network, draws=True)


def playing_in(env):
    """Return a function that plays jobs in an environment, as a worker does."""

    def play(job):
        controller = job.controller.controller()
        played = run_episode(env, controller, job.context, seeds=job.seeds, path=job.path, test=job.test)
        for decisions in job.shared:
            env.process.prefix.share(decisions)
        return played

    return play


ROLLOUTS, SLICES = 5, 4


@pytest.fixture(params=[None, 0.05], ids=["to the end", "until a skill"])
def config(request, tiny):
    return replace(tiny, growth=replace(tiny.growth, **even(SLICES, 2), target_skill=request.param))


@pytest.fixture
def collected(config, task, policy):
    """Return a function that collects two groups in an environment with so large a cache."""

    def collect(cache_mb):
        env = ExpansionEnv(replace(config, cache_mb=cache_mb), tasks=(task,))
        groups = [Group(context_of(env, SEED, TRAINING, number), number, 1.0) for number in (2, 3)]
        pool = Pool(playing_in(env), last_of)
        return groups, pool.collect(groups, ROLLOUTS, SLICES, policy)

    return collect


@pytest.mark.parametrize("cache_mb", [0, 1, 64])
def test_children_are_bit_for_bit_what_they_are_when_each_is_grown_alone(
    config, task, policy, collected, cache_mb
):
    alone = ExpansionEnv(replace(config, cache_mb=0), tasks=(task,))
    groups, episodes = collected(cache_mb)
    for group, of_group in zip(groups, episodes, strict=True):
        for rollout, played in enumerate(of_group):
            seeds = seeds_of(group, rollout, ROLLOUTS, SLICES)
            expected = run_episode(alone, policy.controller(), group.context, seeds=seeds)
            assert comparable(played) == comparable(expected)
    lengths = {len(one.actions) for of_group in episodes for one in of_group}
    assert lengths == {SLICES} if config.growth.target_skill is None else min(lengths) < SLICES


def test_what_rollouts_share_is_trained_once(collected):
    for _, of_group in zip(*collected(64), strict=True):
        trained = sum(len(one.actions) - one.cached_slices for one in of_group)
        assert trained == len({one.path[: t + 1] for one in of_group for t in range(len(one.path))})
        assert trained < sum(len(one.actions) for one in of_group)


def test_without_a_cache_what_was_trained_again_is_not_counted_as_restored(collected):
    for _, of_group in zip(*collected(0), strict=True):
        for one in of_group:
            assert one.cached_slices == (0 if one.seconds else len(one.actions))
