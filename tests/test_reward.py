from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.costs.reward import REWARDS, RewardConfig, RewardInputs, skill, terms
from mse_rl.errors import InvalidConfig

WEIGHTS = st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 0), st.floats(-1, 0))
WORTH = RewardInputs(skill=0.9, cost=400, cost_start=100, cost_budget=1600, training_share=0.25)


def utility(worth, config):
    return sum(terms(worth, config).values())


@pytest.mark.parametrize("classes", [2, 3, 10, 1000])
def test_skill_is_0_at_chance_and_1_at_perfect(classes):
    assert skill(1 / classes, classes) == 0
    assert skill(1, classes) == 1
    assert skill((1 + 1 / classes) / 2, classes) == pytest.approx(0.5)
    assert skill(0, classes) < 0


def test_potential_by_hand():
    config = RewardConfig("potential", cost_weight=0.05, training_weight=0.2)
    assert terms(WORTH, config) == pytest.approx(
        {"skill": 0.9, "cost": -0.05 * 2, "training_flops": -0.2 * 0.25}
    )
    assert utility(WORTH, config) == pytest.approx(0.75)


def test_mnas_by_hand():
    # 400 of 1600 FLOPs is a quarter; its power of -1/2 is 2
    assert utility(WORTH, RewardConfig("mnas", mnas_exponent=-0.5)) == pytest.approx(1.8)


def test_tunas_by_hand():
    assert utility(WORTH, RewardConfig("tunas", tunas_weight=-0.4)) == pytest.approx(0.9 - 0.4 * 0.75)
    over = RewardInputs(skill=0.9, cost=2400, cost_start=100, cost_budget=1600, training_share=0)
    assert utility(over, RewardConfig("tunas", tunas_weight=-0.4)) == pytest.approx(0.9 - 0.4 * 0.5)


@pytest.mark.parametrize("name", REWARDS)
@given(data=st.data())
def test_potentials_telescope_to_the_worth_of_the_last_child_less_that_of_the_first(name, data):
    config = RewardConfig(name, *data.draw(WEIGHTS))
    flops = st.floats(1, 1e12)
    start, budget = data.draw(flops), data.draw(flops)
    worth = st.builds(RewardInputs, st.floats(-1, 1), flops, st.just(start), st.just(budget), st.floats(0, 1))
    path = data.draw(st.lists(worth, min_size=2, max_size=10))
    gains = [utility(after, config) - utility(before, config) for before, after in pairwise(path)]
    whole = utility(path[-1], config) - utility(path[0], config)
    scale = max(abs(utility(worth, config)) for worth in path)
    assert sum(gains) == pytest.approx(whole, rel=1e-9, abs=1e-9 * max(1.0, scale))


@pytest.mark.parametrize("name", REWARDS)
def test_more_skill_at_the_same_cost_is_worth_more(name):
    config = RewardConfig(name)
    better = RewardInputs(0.95, 400, 100, 1600, 0.25)
    assert utility(better, config) > utility(WORTH, config)


def test_without_weights_only_skill_counts():
    for name in REWARDS:
        assert utility(WORTH, RewardConfig(name, 0, 0, 0, 0)) == pytest.approx(0.9)


def test_an_unknown_reward_is_refused_with_a_near_one():
    with pytest.raises(InvalidConfig, match="'mnas'"):
        RewardConfig("mnass")


@pytest.mark.parametrize(
    "weights",
    [
        {"cost_weight": -1},
        {"training_weight": -1},
        {"mnas_exponent": 0.1},
        {"tunas_weight": 0.1},
        {"cost_weight": float("nan")},
        {"tunas_weight": float("nan")},
        {"training_weight": float("inf")},
    ],
    ids=str,
)
def test_weights_that_would_reward_cost_or_are_no_numbers_are_refused(weights):
    with pytest.raises(InvalidConfig):
        RewardConfig(**weights)
