"""A group is a tree of rollouts: who decides alike, until when, and what a decision is compared with."""

from itertools import pairwise, product
from math import exp
from types import SimpleNamespace

import numpy as np
import pytest
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3.common.utils import ConstantSchedule
from support.playing import ACTIONS, ROWS, episode

from mse_rl.agents.evaluation import held_out_contexts, paired_interval
from mse_rl.agents.grouping import (
    HELD_OUT,
    TRAINING,
    branch_of,
    context_of,
    draw_seeds,
    forks,
    group_advantages,
)
from mse_rl.agents.ppo import BlockPolicy, GroupRolloutBuffer
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.envs.observation import observation_space

SIZES = [(rollouts, decisions) for rollouts in range(2, 21) for decisions in range(1, 13)]


def branches(rollouts, decisions):
    """Return the branch of each rollout at each decision, (rollouts, decisions)."""
    return np.array(
        [
            [branch_of(rollout, t, rollouts=rollouts, decisions=decisions) for t in range(decisions)]
            for rollout in range(rollouts)
        ]
    )


def test_a_group_starts_with_four_branches_and_ends_with_one_for_each_rollout():
    for rollouts, decisions in SIZES:
        tree = branches(rollouts, decisions)
        numbers = [len(set(column)) for column in tree.T]
        assert 2 <= numbers[0] <= numbers[-1] == rollouts
        if 2**decisions >= rollouts:  # time enough to part level by level
            assert numbers[0] == min(4, rollouts)
            assert all(before <= after <= 2 * before for before, after in pairwise(numbers))
        for before, after in pairwise(tree.T):  # who has parted stays apart
            assert len({*zip(before, after, strict=True)}) == len({*after})


def test_branches_are_of_neighbours_and_as_large_as_each_other_but_for_one():
    for rollouts, decisions in SIZES:
        for column in branches(rollouts, decisions).T:
            assert (np.diff(column) >= 0).all()
            _, sizes = np.unique(column, return_counts=True)
            assert sizes.max() - sizes.min() <= 1


def test_a_rollout_and_its_parent_are_one_until_they_part_and_that_is_as_late_as_can_be():
    for rollouts, decisions in SIZES:
        tree, found = branches(rollouts, decisions), forks(rollouts, decisions)
        assert [fork.rollout for fork in found] == list(range(1, rollouts))
        for rollout, parent, decision in found:
            assert parent < rollout
            assert (tree[rollout, :decision] == tree[parent, :decision]).all()
            assert (tree[rollout, decision:] != tree[parent, decision:]).all()
        to_play = decisions + sum(decisions - fork.decision for fork in found)
        assert to_play == sum(len(set(column)) for column in tree.T)  # every branch once


def test_seeds_are_the_same_just_where_branches_are():
    for rollouts, decisions in ((2, 1), (5, 4), (8, 10), (20, 12)):
        tree = branches(rollouts, decisions)
        seeds = np.array(
            [
                draw_seeds(0, TRAINING, 7, rollout=rollout, rollouts=rollouts, decisions=decisions)
                for rollout in range(rollouts)
            ]
        )
        assert seeds.shape == tree.shape
        assert ((seeds[:, None] == seeds) == (tree[:, None] == tree)).all()
        assert len(np.unique(seeds)) == sum(len(set(column)) for column in tree.T)


def test_runs_streams_and_contexts_have_seeds_of_their_own():
    drawn = [
        draw_seeds(run, stream, number, rollout=rollout, rollouts=4, decisions=2)
        for run in (0, 1)
        for stream in (TRAINING, HELD_OUT)
        for number in range(9)
        for rollout in range(4)
    ]
    assert len({seed for seeds in drawn for seed in seeds}) == 2 * 2 * 9 * (4 + 4)
    assert drawn[5] == draw_seeds(0, TRAINING, 1, rollout=1, rollouts=4, decisions=2)
    assert len({*draw_seeds(0, HELD_OUT, 0, decisions=12)}) == 12  # an episode by itself


def advantages(decisions, *played):
    """Return the advantages of episodes given as (actions, return)."""
    group = [episode(actions, [0.0] * (len(actions) - 1) + [worth]) for actions, worth in played]
    return [pytest.approx(list(values)) for values in group_advantages(group, decisions)]


def test_two_that_part_at_once_are_compared_with_each_other():
    assert advantages(2, ([1, 2], 5.0), ([3, 2], 1.0)) == [[4, 4], [-4, -4]]


def test_what_was_decided_alike_is_no_ones_merit():
    # alike at t = 0 and t = 1, apart from the decision at t = 1 on: it alone made the difference
    assert advantages(3, ([1, 2, 0], 5.0), ([1, 3, 0], 1.0)) == [[4, 4, 4], [-4, -4, -4]]


def test_equal_episodes_have_no_advantage():
    assert advantages(2, *[([1, 2], 3.0)] * 3) == [[0, 0]] * 3


# Of five rollouts the first two are on one branch until they part, and the others by themselves.


def test_branches_are_compared_by_their_means_first_then_each_rollout_with_its_partner():
    found = advantages(2, ([1, 7], 4.0), ([1, 8], 2.0), ([9, 0], 6.0), ([5, 0], 0.0), ([6, 0], 3.0))
    assert found[:2] == [[4 - 3, 4 - 2], [2 - 3, 2 - 4]]
    assert found[2:] == [[6 - 2.25] * 2, [0 - 3.75] * 2, [0, 0]]


def test_who_decided_alike_by_chance_is_in_the_same_state_and_compared_with_all_there():
    found = advantages(2, ([1, 7], 4.0), ([1, 8], 2.0), ([1, 7], 4.0), ([1, 9], 0.0), ([2, 2], 5.0))
    assert found[:2] == [[4 - 3, 4 - 2], [2 - 3, 2 - 8 / 3]]
    assert found[2:] == [[4 - 2.75, 4 - 2], [0 - 3.75, 0 - 10 / 3], [5 - 2.5, 5 - 2.5]]


def test_while_only_the_own_branch_is_in_a_state_the_baseline_stays_that_of_the_last_parting():
    # of three decisions, rollouts 0 and 1 make two together
    found = advantages(
        3, ([1, 2, 7], 4.0), ([1, 2, 8], 2.0), ([9, 3, 0], 6.0), ([5, 3, 1], 0.0), ([6, 3, 1], 3.0)
    )
    assert found == [[1, 1, 2], [-1, -1, -2], [3.75] * 3, [-3.75] * 3, [0] * 3]


def test_an_episode_that_ended_early_is_compared_up_to_its_end():
    assert advantages(2, ([1], 5.0), ([1], 5.0), ([2, 2], 2.0)) == [[1.5], [1.5], [-3, -3]]
    found = advantages(3, ([1], 5.0), ([1], 5.0), ([2, 2, 0], 2.0), ([2, 2, 1], 0.0), ([3, 3, 3], 1.0))
    assert found == [[4], [4], [-0.75, 2, 2], [-3.25, -2, -2], [-2] * 3]


@given(st.sampled_from([2, 4, 8]), st.integers(1, 5), st.integers(0, 10**6), st.floats(-100, 100))
def test_what_a_context_is_worth_by_itself_does_not_count(rollouts, decisions, seed, offset):
    rng = np.random.default_rng(seed)
    drawn = rng.integers(2, size=(decisions, rollouts))
    actions = [[int(drawn[t, b]) for t, b in enumerate(row)] for row in branches(rollouts, decisions)]
    rewards = rng.normal(size=(rollouts, decisions))
    plain, moved = (
        group_advantages(
            [episode(a, (r + shift).tolist()) for a, r in zip(actions, rewards, strict=True)], decisions
        )
        for shift in (0, offset / decisions)
    )
    for before, after in zip(plain, moved, strict=True):
        assert after == pytest.approx(before, abs=1e-9)
    assert sum(values[0] for values in plain) == pytest.approx(0, abs=1e-9)  # as branches are of one size


class Coins:
    """A problem of some decisions between two actions, whose gradient is known.

    The policy has a logit for each state, which is the decisions so far. What an episode is worth
    depends on all of them; one that begins with 1, 0 is over then.
    """

    def __init__(self, decisions):
        rng = np.random.default_rng(decisions)
        self.decisions, self.gradient = decisions, {}
        prefixes = [prefix for n in range(decisions + 1) for prefix in product((0, 1), repeat=n)]
        self.worth = {prefix: rng.normal() for prefix in prefixes}
        self.one = {prefix: 1 / (1 + exp(-rng.normal())) for prefix in prefixes}
        self._value((), 1.0)

    def over(self, prefix):
        return len(prefix) == self.decisions or prefix == (1, 0)

    def _value(self, prefix, reached):
        """Return what is expected from here on, and note its derivative by the logits on the way."""
        if self.over(prefix):
            return self.worth[prefix]
        one = self.one[prefix]
        zero_value = self._value((*prefix, 0), reached * (1 - one))
        one_value = self._value((*prefix, 1), reached * one)
        self.gradient[prefix] = reached * one * (1 - one) * (one_value - zero_value)
        return zero_value + one * (one_value - zero_value)

    def expected(self, rollouts, advantages_of):
        """Return the policy gradient with these advantages: its mean over every tree that can be."""
        tree = branches(rollouts, self.decisions).tolist()
        nodes = sorted({node for row in tree for node in enumerate(row)})
        gradient = dict.fromkeys(self.gradient, 0.0)
        for drawn in product((0, 1), repeat=len(nodes)):
            action, state, probability = dict(zip(nodes, drawn, strict=True)), {}, 1.0
            paths = []
            for row in tree:
                path = ()
                for node in enumerate(row):
                    state[node] = path
                    path = path if self.over(path) else (*path, action[node])
                paths.append(path)
            for node, a in action.items():
                one = 0.5 if self.over(state[node]) else self.one[state[node]]
                probability *= one if a else 1 - one
            group = [SimpleNamespace(actions=list(p), total_return=self.worth[p]) for p in paths]
            for path, values in zip(paths, advantages_of(group, self.decisions), strict=True):
                for t, value in enumerate(values):
                    slope = path[t] - self.one[path[:t]]  # of log π by the logit
                    gradient[path[:t]] += probability * value * slope / rollouts
        return gradient


def compared_with_all(group, decisions):
    """Return advantages over all others in the same state, whether they drew on their own or not."""

    def baseline(one, t):
        same = [o.total_return for o in group if o is not one and o.actions[:t] == one.actions[:t]]
        return np.mean(same) if same else 0

    return [[one.total_return - baseline(one, t) for t in range(len(one.actions))] for one in group]


@pytest.mark.parametrize(("rollouts", "decisions"), [(2, 2), (4, 3), (5, 2), (5, 3), (6, 2)])
def test_the_policy_gradient_is_right_on_average(rollouts, decisions):
    problem = Coins(decisions)
    assert problem.expected(rollouts, group_advantages) == pytest.approx(problem.gradient, abs=1e-12)
    wrong = problem.expected(rollouts, compared_with_all)
    off = max(abs(wrong[state] - right) for state, right in problem.gradient.items())
    assert (off > 0.01) == (rollouts > 4)  # of four, each draws on its own


def test_contexts_are_functions_of_seed_stream_and_number_and_streams_never_meet(tiny, task):
    env = ExpansionEnv(tiny, tasks=(task,))
    drawn = [
        context_of(env, seed, stream, n)
        for seed in (0, 1)
        for stream in (TRAINING, HELD_OUT)
        for n in range(50)
    ]
    assert len({context.seed for context in drawn}) == len(drawn)
    assert drawn[7] == context_of(env, 0, TRAINING, 7)
    assert held_out_contexts(env, 1, 50) == drawn[150:]


def test_a_paired_interval_covers_the_mean_and_shrinks_with_more_pairs():
    rng = np.random.default_rng(0)
    differences = rng.normal(0.5, 1, 400)
    few, many = paired_interval(differences[:25]), paired_interval(differences)
    for interval, pairs in ((few, differences[:25]), (many, differences)):
        assert interval["mean"] == pytest.approx(pairs.mean())
        assert interval["low"] < interval["mean"] < interval["high"]
    half = (many["high"] - many["low"]) / 2
    assert half == pytest.approx(1.96 * differences.std() / 20, rel=0.05)
    assert few["high"] - few["low"] > 2 * half
    assert paired_interval(differences) == many
    assert paired_interval(np.full(5, 0.25)) == {"mean": 0.25, "low": 0.25, "high": 0.25}


@pytest.fixture(scope="module")
def policy():
    table = ActionTable(ROWS)
    space, actions = observation_space(ROWS), Discrete(len(table))
    return BlockPolicy(space, actions, ConstantSchedule(1e-3), layout=Layout.of(table))


@st.composite
def rollouts(draw):
    """Draw the groups of an update, some of their episodes ended early, and the buffer's size."""
    groups, size = draw(st.integers(1, 3)), draw(st.integers(2, 4))
    slices = draw(st.integers(1, 5))
    lengths = draw(
        st.lists(
            st.lists(st.integers(1, slices), min_size=size, max_size=size), min_size=groups, max_size=groups
        )
    )
    rng, row, drawn = np.random.default_rng(draw(st.integers(0, 99))), 0, []
    for group in lengths:
        drawn.append([])
        for length in group:
            actions = rng.integers(ACTIONS, size=length)
            masks = [rng.random(ACTIONS) < 0.5 for _ in actions]
            for mask, action in zip(masks, actions, strict=True):
                mask[action] = True
            markers = [float(row + t) for t in range(length)]
            drawn[-1].append(
                episode(actions.tolist(), rng.normal(size=length).tolist(), markers=markers, masks=masks)
            )
            row += length
    return drawn, groups * size, slices


@given(rollouts())
def test_the_buffer_gives_each_row_once_with_what_belongs_to_it(policy, drawn):
    groups, episodes, slices = drawn
    size = episodes * slices
    buffer = GroupRolloutBuffer(size, policy.observation_space, policy.action_space, device="cpu")
    buffer.fill(groups, policy, decisions=slices)
    raw = np.concatenate([values for group in groups for values in group_advantages(group, slices)])
    scale = np.sqrt(np.mean(raw**2)) + 1e-8
    expected = [
        (action, sum(played.rewards[t:]), mask)
        for group in groups
        for played in group
        for t, (action, mask) in enumerate(zip(played.actions, played.masks, strict=True))
    ]
    for _ in range(2):  # every epoch
        seen = []
        for batch in buffer.get(max(2, size // 4)):
            rows = batch.observations["globals"][:, 0].long().tolist()
            seen += rows
            for row, action, worth, mask, advantage in zip(
                rows, batch.actions, batch.returns, batch.action_masks, batch.advantages, strict=True
            ):
                assert action.item() == expected[row][0]
                assert worth.item() == pytest.approx(expected[row][1], abs=1e-5)
                assert (mask.numpy().astype(bool) == expected[row][2]).all()
                assert advantage.item() == pytest.approx(raw[row] / scale, abs=1e-5)
            _, log_probs, _ = policy.evaluate_actions(
                batch.observations, batch.actions.long().flatten(), batch.action_masks
            )
            assert batch.old_log_prob.tolist() == pytest.approx(log_probs.tolist(), abs=1e-5)
            assert not batch.old_values.any()  # there is no critic
        assert sorted(seen) == list(range(len(expected)))


@pytest.mark.parametrize("slices", [3, 4, 10])
@pytest.mark.parametrize("unused", range(6))
def test_no_minibatch_is_of_one(policy, slices, unused):
    """Two episodes, of which the second ended ``unused`` decisions early or with its first."""
    size = 2 * slices
    played = [episode([0] * n, [1.0] * n) for n in (slices, max(1, slices - unused))]
    buffer = GroupRolloutBuffer(size, policy.observation_space, policy.action_space, device="cpu")
    buffer.fill([played], policy, decisions=slices)
    sizes = [len(batch.actions) for batch in buffer.get(max(2, size // 4))]
    assert min(sizes) > 1
    assert max(sizes) - min(sizes) <= 1


def test_a_buffer_is_filled_anew_for_every_update(policy):
    buffer = GroupRolloutBuffer(4, policy.observation_space, policy.action_space, device="cpu")
    for marker in (1.0, 2.0):
        played = episode([0, 1], [0.0, 1.0], markers=[marker] * 2)
        buffer.fill([[played, played]], policy, decisions=2)
        markers = [batch.observations["globals"][:, 0].tolist() for batch in buffer.get(2)]
        assert markers == [[marker] * 2] * 2
