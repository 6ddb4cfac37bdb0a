import numpy as np
import pytest
from gymnasium.spaces import Discrete
from hypothesis import given
from hypothesis import strategies as st
from playing import ACTIONS, ROWS, episode
from stable_baselines3.common.utils import ConstantSchedule

from mse_rl.agents.evaluation import held_out_contexts, paired_interval
from mse_rl.agents.grouping import HELD_OUT, TRAINING, context_of, group_advantages, rollout_seed
from mse_rl.agents.ppo import BlockPolicy, GroupRolloutBuffer
from mse_rl.envs.actions import ActionTable
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.envs.observation import observation_space


def advantages(*played):
    """Return the advantages of episodes given as (actions, return)."""
    group = [episode(actions, [0.0] * (len(actions) - 1) + [worth]) for actions, worth in played]
    return [pytest.approx(list(values)) for values in group_advantages(group)]


def test_two_that_part_at_once_are_compared_with_each_other():
    assert advantages(([1, 2], 5.0), ([3, 2], 1.0)) == [[4, 4], [-4, -4]]


def test_what_was_decided_alike_is_no_ones_merit():
    # alike at t = 0 and t = 1, apart from the decision at t = 1 on: it alone made the difference
    assert advantages(([1, 2, 0], 5.0), ([1, 3, 0], 1.0)) == [[4, 4, 4], [-4, -4, -4]]


def test_the_baseline_is_the_mean_of_those_in_the_same_state():
    # at t = 0 all four are in one state; after action 1 three of them, after actions 1, 2 two
    found = advantages(([1, 2, 7], 4.0), ([1, 2, 8], 2.0), ([1, 3, 0], 6.0), ([9, 0, 0], 0.0))
    assert found == [
        [4 - 8 / 3, 4 - 4, 4 - 2],
        [2 - 10 / 3, 2 - 5, 2 - 4],
        [6 - 2, 6 - 3, 6 - 3],  # alone from t = 2: its baseline stays that of its parting
        [0 - 4, 0 - 4, 0 - 4],
    ]


def test_equal_episodes_have_no_advantage():
    assert advantages(([1, 2], 3.0), ([1, 2], 3.0), ([1, 2], 3.0)) == [[0, 0]] * 3


def test_an_episode_that_ended_early_is_compared_up_to_its_end():
    assert advantages(([1], 5.0), ([1, 2], 5.0), ([2, 2], 2.0)) == [[1.5], [1.5, 0], [-3, -3]]


@given(
    st.lists(
        st.tuples(st.lists(st.integers(0, 2), min_size=3, max_size=3), st.floats(-5, 5)),
        min_size=2,
        max_size=6,
    ),
    st.floats(-100, 100),
)
def test_what_a_context_is_worth_by_itself_does_not_count(played, offset):
    plain = group_advantages([episode(actions, [0, 0, worth]) for actions, worth in played])
    moved = group_advantages([episode(actions, [offset, 0, worth]) for actions, worth in played])
    for before, after in zip(plain, moved, strict=True):
        assert after == pytest.approx(before, abs=1e-9)
    assert sum(values[0] for values in plain) == pytest.approx(0, abs=1e-9)


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
    seeds = {
        rollout_seed(s, stream, n, r) for s in (0, 1) for stream in (0, 1) for n in range(9) for r in range(9)
    }
    assert len(seeds) == 2 * 2 * 9 * 9


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
    return BlockPolicy(observation_space(ROWS), Discrete(len(ActionTable(ROWS))), ConstantSchedule(1e-3))


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
    return drawn, groups * size * slices


@given(rollouts())
def test_the_buffer_gives_each_row_once_with_what_belongs_to_it(policy, drawn):
    groups, size = drawn
    buffer = GroupRolloutBuffer(size, policy.observation_space, policy.action_space, device="cpu")
    buffer.fill(groups, policy)
    raw = np.concatenate([values for group in groups for values in group_advantages(group)])
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
    buffer.fill([played], policy)
    sizes = [len(batch.actions) for batch in buffer.get(max(2, size // 4))]
    assert min(sizes) > 1
    assert max(sizes) - min(sizes) <= 1


def test_a_buffer_is_filled_anew_for_every_update(policy):
    buffer = GroupRolloutBuffer(4, policy.observation_space, policy.action_space, device="cpu")
    for marker in (1.0, 2.0):
        played = episode([0, 1], [0.0, 1.0], markers=[marker] * 2)
        buffer.fill([[played, played]], policy)
        markers = [batch.observations["globals"][:, 0].tolist() for batch in buffer.get(2)]
        assert markers == [[marker] * 2] * 2
