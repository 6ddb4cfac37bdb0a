"""Rewards and costs of a user's own: what they may be, what is kept of them, and what is said of others."""

import json
from dataclasses import asdict, replace

import pytest
from support.own import write_module

from mse_rl.config.commands import ApplyConfig
from mse_rl.costs import cost
from mse_rl.costs.measures import BudgetConfig, Budgets, CostMeasure, measure_of
from mse_rl.costs.reward import RewardConfig, RewardInputs, terms
from mse_rl.errors import InvalidConfig
from mse_rl.growth.process import GrowthProcess

WORTH = RewardInputs(skill=0.9, cost=400, cost_start=100, cost_budget=1600, training_share=0.25)


def half_skill(worth, config):
    return {"skill": worth.skill / 2, "cost": -config.cost_weight}


class Halved:
    def __init__(self, share=0.5):
        self.share = share

    def __call__(self, worth, config):
        return {"skill": self.share * worth.skill}


class Choosy:
    def __init__(self, share):
        self.share = share


INSTANCE = Halved(0.25)
NUMBER = 3


def depth(architecture, meter):
    return 1 + architecture.depth


def kilobytes(architecture, meter):
    return 4e-3 * cost(architecture).parameters


WRONG = CostMeasure(lambda architecture: 1, "wrong")
MEMORY = CostMeasure(kilobytes, "memory", exact="{:.1f} kB", unit="MB", per_unit=1e3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("half_skill", {"skill": 0.45, "cost": -0.1}),
        ("Halved", {"skill": 0.45}),
        ("INSTANCE", {"skill": 0.225}),
    ],
)
def test_a_reward_is_a_function_a_class_or_an_object_at_a_path(name, expected):
    config = RewardConfig(f"{__name__}:{name}", cost_weight=0.1)
    assert terms(WORTH, config) == pytest.approx(expected)


def test_a_reward_from_python_is_kept_by_its_path():
    config = RewardConfig(half_skill)
    assert config == RewardConfig(f"{__name__}:half_skill")
    assert RewardConfig(**json.loads(json.dumps(asdict(config)))) == config
    assert replace(config, cost_weight=0.5).reward == config.reward


def test_a_reward_that_has_no_path_is_refused():
    with pytest.raises(InvalidConfig, match=r"expected a reward that can be named.*lambda"):
        RewardConfig(lambda worth, config: {"skill": worth.skill})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Choosy", r"called as Choosy\(\), got \(share\)"),
        ("NUMBER", r"to be called as NUMBER\(worth, config\), got 3"),
        ("missing", "no 'missing'"),
    ],
)
def test_what_is_no_reward_is_refused(name, said):
    with pytest.raises(InvalidConfig, match=said):
        RewardConfig(f"{__name__}:{name}")


@pytest.mark.parametrize("given", ["0.5", "None", "{'skill': 'high'}", "{'skill': float('nan')}", "{1: 0.5}"])
def test_a_reward_that_returns_no_terms_is_refused(monkeypatch, tmp_path, given):
    name = write_module(monkeypatch, tmp_path, f"def reward(worth, config): return {given}")
    with pytest.raises(InvalidConfig, match="to return its terms as a dict of finite numbers by name"):
        terms(WORTH, RewardConfig(f"{name}:reward"))


@pytest.fixture
def begin(grow):
    """Return a function that begins a growth that is priced by a cost at this module's top."""

    def begun(name, **budget) -> GrowthProcess:
        config = BudgetConfig(cost=f"{__name__}:{name}", **budget)
        first = measure_of(config.cost).cost(grow().state.architecture, None)
        return grow(budget=config.completed(first, 2.0), transformations=("deepen_conv", "widen_child_x1.25"))

    return begun


def test_a_cost_of_ones_own_is_priced_and_bounds_what_is_legal(begin):
    process = begin("depth")
    assert (process.cost, process.cost_budget) == (1, 2)
    process.advance(*next(choice for choice in process.choices() if choice[0] == "deepen_conv"))
    assert process.cost == process.cost_budget == 2
    assert {name for name, _ in process.choices()} == {"wait", "widen_child_x1.25"}


def test_its_budget_can_be_given(begin):
    assert begin("depth", own_budget=3).cost_budget == 3
    with pytest.raises(
        InvalidConfig, match=r"the depth budget must be at least 1, .* got 0\.5: raise `own_budget`"
    ):
        begin("depth", own_budget=0.5)


def test_a_measure_says_how_it_is_shown(begin):
    measure = measure_of(f"{__name__}:MEMORY")
    assert measure.shown(2500) == "2.500 MB"
    assert measure_of(f"{__name__}:depth").shown(2) == "2.000 depth"
    with pytest.raises(InvalidConfig, match=r"memory budget must be at least \d+\.\d kB"):
        begin("MEMORY", own_budget=0.5)


def test_a_cost_from_python_is_kept_by_its_path():
    path = f"{__name__}:depth"
    assert BudgetConfig(cost=depth) == BudgetConfig(cost=path)
    config = ApplyConfig("digits", cost=depth, budget=Budgets(own_budget=3))
    assert config.cost == path
    assert config.expansion(slices=2, reward=RewardConfig()).budget.most == {path: 3}
    with pytest.raises(InvalidConfig, match="expected a cost that can be named"):
        BudgetConfig(cost=MEMORY)


@pytest.mark.parametrize("name", ["Choosy", "NUMBER", "WRONG"])
def test_what_is_no_cost_is_refused(name):
    with pytest.raises(InvalidConfig, match=rf"to be called as {name}\(architecture, meter\), got .+: "):
        BudgetConfig(cost=f"{__name__}:{name}")


@pytest.mark.parametrize("given", ["0", "-1", "None", "'much'", "float('nan')", "float('inf')"])
def test_a_cost_that_is_no_positive_number_is_refused(monkeypatch, tmp_path, given, grow):
    name = write_module(monkeypatch, tmp_path, f"def cost(architecture, meter): return {given}")
    with pytest.raises(InvalidConfig, match="to give a positive number, got "):
        grow(budget=BudgetConfig(cost=f"{name}:cost", own_budget=3))


def test_an_own_budget_without_a_cost_of_ones_own_is_refused():
    with pytest.raises(InvalidConfig, match="`own_budget` bounds a cost of your own, got cost flops"):
        BudgetConfig(own_budget=3)


@pytest.mark.parametrize("kind", [RewardConfig, lambda name: BudgetConfig(cost=name)])
def test_an_unknown_name_says_that_a_path_would_do(kind):
    with pytest.raises(InvalidConfig, match=r"or my_package\.module:thing"):
        kind("mine")
