"""What learns, learns: on a bandit whose best action is known, and with workers that change nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from playing import ACTIONS, ROWS, episode, observation

from mse_rl.agents.controller import Turn
from mse_rl.agents.network import BlockNetwork
from mse_rl.agents.pool import Job, PolicyWeights, WorkerPool
from mse_rl.agents.ppo import GroupedPPO
from mse_rl.agents.rollout import run_episode
from mse_rl.agents.rules import make_rule
from mse_rl.agents.tensorboard import EpisodeWriter
from mse_rl.architecture import Architecture, Block, Link, Position, Stage
from mse_rl.config import PPOConfig
from mse_rl.envs.actions import ActionTable
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.search_space import SearchSpace
from mse_rl.transformations import TRANSFORMATIONS

THREE = Architecture("mlp", (4,), 2, (Stage(2, (Block("linear", 2),) * 3),))
"""What ``observation()`` shows."""
TABLE = ActionTable(ROWS)
MASK = np.array([TABLE.decode(action, THREE) is not None for action in range(ACTIONS)])
LEGAL = int(MASK.sum())
BESTS = {
    "block": TABLE.encode("widen_inner_x2", Position(0, 1), THREE),
    "pair": TABLE.encode("link", Link(Position(0, 0), Position(0, 2)), THREE),
}
"""One at the second of the three blocks, one from the first to the third."""


class Bandit:
    """Stands in for a pool of workers: episodes of one decision.

    One of the 80 legal actions brings 1, the others 0: an untrained policy scores 1/80, the optimum
    is 1. On top, a context brings up to ±100, whatever is decided: a learner that compares episodes of
    different contexts sees nothing but that.
    """

    def __init__(self, best):
        self.jobs, self.best = [], best

    def play(self, jobs):
        for job in jobs:
            self.jobs.append(job)
            controllers = {id(weights): weights.controller() for weights in job.controllers}
            offset = np.random.default_rng(job.context.seed).uniform(-100, 100)
            group = []
            for weights, seed in zip(job.controllers, job.seeds, strict=True):
                rng = np.random.default_rng(seed)
                action = controllers[id(weights)].decide(Turn(observation(), MASK, None, rng))
                reward = offset + (action == self.best)
                group.append(episode([action], [reward], masks=[MASK], context=job.context))
            yield group


@pytest.fixture
def learner(tiny, task):
    """Return a function that makes a GroupedPPO on the bandit, and its pool and episodes."""

    def make(seed=0, best=0, **settings):
        growth = replace(tiny.growth, slices=1, slice_steps=1)
        env = ExpansionEnv(replace(tiny, growth=growth, space=SearchSpace(max_blocks=ROWS)), tasks=(task,))
        pool, episodes = Bandit(best), []
        config = PPOConfig(**({"groups": 4, "rollouts": 8} | settings))
        return GroupedPPO(env, pool, config, seed=seed, on_episode=episodes.append), pool, episodes

    return make


@torch.no_grad()
def probability_of(action, model):
    batch = {key: torch.from_numpy(value)[None] for key, value in observation().items()}
    distribution = model.policy.get_distribution(batch, MASK[None])
    return distribution.distribution.probs[0, action].item()


@pytest.mark.parametrize("best", BESTS.values(), ids=BESTS)
def test_the_best_of_80_actions_is_found_under_contexts_that_matter_a_hundred_times_more(learner, best):
    assert LEGAL == 80
    model, pool, episodes = learner(best=best)
    assert probability_of(best, model) == pytest.approx(1 / LEGAL, rel=0.1)
    model.learn(40 * 32)
    assert probability_of(best, model) > 0.8
    assert len(episodes) == 40 * 32
    assert np.mean([played.actions[0] == best for played in episodes[-64:]]) > 0.7
    assert np.mean([played.actions[0] == best for played in episodes[:64]]) < 0.3
    assert len({job.context for job in pool.jobs}) == 40 * 4  # contexts never come back
    assert all(len(set(job.seeds)) == 8 for job in pool.jobs)


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


class Scalars:
    def __init__(self):
        self.written = {}

    def add_scalar(self, name, value, step):
        self.written.setdefault(name, []).append((step, value))


def comparable(played):
    """Return all of an episode but how much of it came from the worker's cache."""
    arrays = [*played.masks, *(array for step in played.observations for array in step.values())]
    numbers = played.context, played.actions, played.rewards, played.infos, played.start, played.test_accuracy
    return numbers, [array.tobytes() for array in arrays]


def test_workers_do_not_change_what_is_played(tiny):
    network = BlockNetwork()
    network.birth_(torch.Generator().manual_seed(0))
    policy = PolicyWeights.of(network, draws=True)
    jobs = [
        Job(("random", "widen", policy, policy), Context(0, seed, 4.0), (1, 2, 3, 3), test=seed == 5)
        for seed in (5, 6, 7)
    ]
    results = []
    for workers in (1, 2):
        with WorkerPool(tiny, workers) as pool:
            results.append(list(pool.play(jobs)))
    first, second = ([[comparable(played) for played in group] for group in result] for result in results)
    assert first == second
    groups = results[0]
    assert [group[0].context.seed for group in groups] == [5, 6, 7]  # in the order of the jobs
    assert [group[0].test_accuracy is None for group in groups] == [False, True, True]
    assert groups[0][2].rewards != groups[1][2].rewards
    for group in groups:  # the last plays what the one before it played
        assert comparable(group[3]) == comparable(replace(group[2], test_accuracy=group[3].test_accuracy))
        assert (group[0].cached_slices, group[3].cached_slices) == (0, 2)


def test_tensorboard_is_told_of_every_episode_from_the_first_one_on(tiny, task):
    env, context = ExpansionEnv(tiny, tasks=(task,)), Context(0, 5, 4.0)
    played = [
        run_episode(env, make_rule(rule), context, rng=np.random.default_rng(0))
        for rule in ("random", "widen")
    ]
    scalars = Scalars()
    writer = EpisodeWriter(scalars, env.actions)
    for one in played:
        writer.write(one)
    written = scalars.written
    assert all([step for step, _ in values] == [1, 2] for values in written.values())
    for index, one in enumerate(played):
        found = {name: values[index][1] for name, values in written.items()}
        assert sum(share for name, share in found.items() if name.startswith("chosen/")) == pytest.approx(1)
        assert all(found[f"chosen/{n}"] <= found[f"legal/{n}"] <= 1 for n in TRANSFORMATIONS)
        rewards = sum(part for name, part in found.items() if name.startswith("reward/"))
        assert rewards == pytest.approx(found["episode/return"])
        assert found["episode/return"] == pytest.approx(one.total_return)
        assert found["episode/cost_share_of_budget"] <= 1
