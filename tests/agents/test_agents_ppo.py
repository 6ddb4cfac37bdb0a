"""What learns, learns: on a bandit whose best action is known, and with workers that change nothing."""

from concurrent.futures import Future
from dataclasses import replace
from functools import lru_cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.playing import ACTIONS, ROWS, comparable, episode, observation
from support.schedules import even

from mse_rl.agents.controller import DecisionPoint, run_episode
from mse_rl.agents.grouping import TRAINING, Collector, Group, context_of, draw_seeds
from mse_rl.agents.jobs import Job, PolicyWeights
from mse_rl.agents.learned import BlockNetwork, first_logits
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.ppo import GroupedPPO
from mse_rl.agents.rules import make_rule
from mse_rl.config.commands import PPOConfig
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage

THREE = Architecture("mlp", (4,), 2, (Stage(2, (Block("linear", 2),) * 2),))
"""What ``observation()`` shows."""
TABLE = ActionTable(ROWS)
SHOWN = SimpleNamespace(layout=Layout.of(TABLE))
MASK = np.array([TABLE.decode(action, THREE) is not None for action in range(ACTIONS)])
LEGAL = int(MASK.sum())
BESTS = {
    "block": TABLE.encode("widen_inner_x2", Position(0, 0), THREE),
    "pair": TABLE.encode("link", Link(Position(0, ENTRY), Position(0, 1)), THREE),
}
"""One at the second of the three sites, one from the first to the third."""


class Bandit:
    """Stands in for a pool of workers: episodes of one decision.

    One of the 85 legal actions brings 1, the others 0: an untrained policy scores 1/85, the optimum
    is 1. On top, a context brings up to ±100, whatever is decided: a learner that compares episodes of
    different contexts sees nothing but that.
    """

    workers, restarts = 2, (0, 0)

    def __init__(self, best):
        self.jobs, self.best = [], best
        self._controller = lru_cache(maxsize=1)(PolicyWeights.controller)

    def submit(self, job):
        self.jobs.append(job)
        (seed,) = job.seeds
        point = DecisionPoint(observation(), MASK, SHOWN, np.random.default_rng(seed))
        action = self._controller(job.controller).decide(point)
        reward = np.random.default_rng(job.context.seed).uniform(-100, 100) + (action == self.best)
        future = Future()
        future.set_result(episode([action], [reward], masks=[MASK], context=job.context))
        return future


@pytest.fixture
def learner(tiny, task):
    """Return a function that makes a GroupedPPO on the bandit, and its pool and episodes."""

    def make(seed=0, best=0, **settings):
        growth, space = replace(tiny.growth, **even(1, 1)), SearchSpace(max_blocks=4, max_stages=2)
        env = ExpansionEnv(replace(tiny, growth=growth, space=space), tasks=(task,))
        pool, episodes = Bandit(best), []
        config = PPOConfig(**({"groups": 4, "rollouts": 8} | settings))
        collector = Collector(pool, rollouts=config.rollouts, decisions=1, seed=seed, stream=TRAINING)
        return GroupedPPO(env, collector, config, seed=seed, on_episode=episodes.append), pool, episodes

    return make


@torch.no_grad()
def probability_of(action, model):
    batch = {key: torch.from_numpy(value)[None] for key, value in observation().items()}
    distribution = model.policy.get_distribution(batch, MASK[None])
    return distribution.distribution.probs[0, action].item()


def first_probability(action, model):
    of_child = first_logits(model.network.layout).numpy()
    weights = np.exp(np.pad(of_child, (0, len(MASK) - len(of_child)))) * MASK
    return weights[action] / weights.sum()


@pytest.mark.parametrize("best", BESTS.values(), ids=BESTS)
def test_the_best_of_85_actions_is_found_under_contexts_that_matter_a_hundred_times_more(learner, best):
    assert LEGAL == 85
    model, pool, episodes = learner(best=best)
    assert probability_of(best, model) == pytest.approx(first_probability(best, model), rel=0.1)
    model.learn(40 * 32)
    assert probability_of(best, model) > 0.8
    assert len(episodes) == 40 * 32
    assert np.mean([played.actions[0] == best for played in episodes[-64:]]) > 0.7
    assert np.mean([played.actions[0] == best for played in episodes[:64]]) < 0.3
    assert len({job.context for job in pool.jobs}) == 40 * 4  # contexts never come back
    assert len({job.seeds for job in pool.jobs}) == len(pool.jobs)  # nor do random numbers


def test_an_action_that_is_not_legal_is_never_learned(learner):
    model, _, episodes = learner()
    model.learn(5 * 32)
    assert all(MASK[played.actions[0]] for played in episodes)


def test_a_run_is_a_function_of_its_seed(learner):
    def weights(seed):
        model, _, _ = learner(seed)
        model.learn(3 * 32)
        return torch.nn.utils.parameters_to_vector(model.policy.parameters())

    first = weights(0)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_rollouts_of_awkward_numbers_are_learned_from_without_a_warning(learner):
    model, _, episodes = learner(groups=3, rollouts=3)
    model.learn(9)
    assert len(episodes) == 9
    assert all(parameter.isfinite().all() for parameter in model.policy.parameters())


def groups_of(pool, policy, numbers, *, rollouts, decisions):
    """Return what a collector brings from a pool for the contexts of these numbers."""
    collector = Collector(pool, rollouts=rollouts, decisions=decisions, seed=0, stream=TRAINING)
    return list(
        collector.collect(policy, [Group(context, number, cost=1.0) for number, context in numbers.items()])
    )


def test_workers_do_not_change_what_is_played(tiny, task):
    env = ExpansionEnv(replace(tiny, growth=replace(tiny.growth, **even(3, 2))), tasks=(task,))
    network = BlockNetwork(env.layout)
    network.reset_parameters_(torch.Generator().manual_seed(0))
    policy = PolicyWeights.of(network, draws=True)
    numbers = {number: context_of(env, 0, TRAINING, number) for number in (4, 7)}
    jobs = [
        Job(controller, context, (1, 2, 3), test=number == 4)
        for number, context in numbers.items()
        for controller in ("random", "widen", policy)
    ]
    results = []
    for workers in (1, 2):
        with WorkerPool(env, workers) as pool:
            groups = groups_of(pool, policy, numbers, rollouts=5, decisions=3)  # the first two part last
            results.append(([one for group in groups for one in group], list(pool.play(jobs))))
    first, second = ([[comparable(one) for one in played] for played in result] for result in results)
    assert first == second
    for grouped, alone in results:
        assert [one.context for one in grouped] == [context for context in numbers.values() for _ in range(5)]
        assert [one.context for one in alone] == [job.context for job in jobs]
        assert [one.test_accuracy is None for one in alone] == [False] * 3 + [True] * 3
        assert [one.actions[:2] for one in grouped[::5]] == [one.actions[:2] for one in grouped[1::5]]
        assert all(one.cached_slices >= 2 for one in grouped[1::5])  # by whichever worker it was trained
    assert comparable(alone[0])[0][1:3] != comparable(alone[3])[0][1:3]
    jobs += [
        Job(policy, context, draw_seeds(0, TRAINING, number, rollout=rollout, rollouts=5, decisions=3))
        for number, context in numbers.items()
        for rollout in range(5)
    ]
    for job, one in zip(jobs, alone + grouped, strict=True):  # as in this process, each from its beginning
        controller = make_rule(job.controller) if isinstance(job.controller, str) else policy.controller()
        assert comparable(one) == comparable(
            run_episode(env, controller, job.context, seeds=job.seeds, test=job.test)
        )


def test_workers_agree_with_each_other_and_with_the_main_process_on_latencies(tiny, task):
    config = replace(tiny, budget=replace(tiny.budget, cost="latency"))
    env, contexts = ExpansionEnv(config, tasks=(task,)), [Context(0, seed, 8.0, 1.0) for seed in range(6)]
    env.reset(options={"context": contexts[0]})
    with WorkerPool(env, 2) as pool:
        played = list(pool.play([Job("widen", context, (1, 2)) for context in contexts]))
    told: dict[int, set[float]] = {}
    for info in [info for one in played for info in (one.start, *one.infos)]:
        told.setdefault(info["flops"], set()).add(info["latency_ms"])
    assert all(len(latencies) == 1 for latencies in told.values())
    assert told[env.process.first_flops] == {env.process.cost}
    assert {one.start["cost_budget"] for one in played} == {env.budget(contexts[0]).cost_budget}
