"""Budgets in FLOPs, parameters and milliseconds: each is a bound, and the one of what is priced is drawn."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support.grown import STEM, grown
from support.problems import FAMILIES, problem_for
from support.timing import DepthMeter

from mse_rl.agents.rules import least_loss
from mse_rl.costs import TRAINING_PASSES, cost
from mse_rl.costs.measures import MEASURES, BudgetConfig
from mse_rl.errors import InvalidConfig
from mse_rl.growth.cache import PrefixCache
from mse_rl.spec import SearchSpace
from mse_rl.transformations import TRANSFORMATIONS, WAIT

STOP = ("stop", None)


def after(process, name, target):
    return TRANSFORMATIONS[name].edit(process.state.architecture, target, process.space)


def costs(process, architecture):
    return {name: process.bounds.cost(architecture, name) for name in MEASURES}


def reachable(process):
    """Return the costs of every edit within the search space that changes the child, in every measure."""
    edits = {
        (name, target): after(process, name, target)
        for name, transformation in TRANSFORMATIONS.items()
        for target in transformation.targets(process.state.architecture)
    }
    return {
        decision: costs(process, edit)
        for decision, edit in edits.items()
        if edit != process.state.architecture and process.space.allows(edit)
    }


def test_budgets_are_told_by_their_measure_and_what_is_priced_needs_one():
    budget = BudgetConfig(cost="params", params_budget=10, latency_budget_ms=0.5)
    assert budget.most == {"params": 10, "latency": 0.5}
    assert budget.cost_budget == 10
    with pytest.raises(InvalidConfig, match="give latency_budget_ms"):
        _ = BudgetConfig(cost="latency", flops_budget=10).cost_budget


def test_a_missing_budget_is_a_multiple_of_the_first_child_and_a_given_one_stays():
    drawn = BudgetConfig(cost="params").completed(7, 2.5)
    assert drawn.params_budget == 17
    assert isinstance(drawn.params_budget, int)
    assert BudgetConfig(cost="latency").completed(0.3, 2.5).latency_budget_ms == pytest.approx(0.75)
    given = BudgetConfig(cost="params", params_budget=3)
    assert given.completed(7, 2.5) == given


@pytest.mark.parametrize(
    "budget",
    [
        {"cost": "params", "params_budget": 1_500},
        {"cost": "flops", "flops_budget": 60_000, "params_budget": 1_500},
        {"cost": "latency", "latency_budget_ms": 3.5},
        {"cost": "latency", "latency_budget_ms": 3.5, "params_budget": 1_500, "flops_budget": 60_000},
    ],
    ids=str,
)
def test_exactly_what_exceeds_a_budget_is_masked(grow, budget):
    space = SearchSpace(max_blocks=6, max_links=2, start_width=4)
    settings = {"slices": 6, "slice_steps": 1, "budget": BudgetConfig(**budget), "space": space}
    process, rng, masked = grow(meter=DepthMeter(), **settings), np.random.default_rng(0), 0
    most = process.bounds.budget.most
    while not process.finished:
        edits = reachable(process)
        within = {choice for choice, cost in edits.items() if all(cost[name] <= most[name] for name in most)}
        masked += len(edits) - len(within)
        assert set(process.choices()) - {WAIT, STOP} == within - process.state.rejected
        growing = [choice for choice in process.choices() if choice[0].startswith(("deepen", "widen"))]
        choices = growing or process.choices()
        process.advance(*choices[rng.integers(len(choices))])
        assert process.fits
    assert masked


def test_latency_is_asked_only_of_what_cheaper_bounds_leave(grow):
    meter = DepthMeter()
    first = grow().first_flops
    budget = BudgetConfig(flops_budget=first, latency_budget_ms=1e9)
    grow(budget=budget, meter=meter)
    assert meter.asked
    assert all(cost(architecture).flops <= first for architecture in meter.asked)
    unasked = DepthMeter()
    grow(meter=unasked)
    assert not unasked.asked


@pytest.mark.parametrize("measure", MEASURES)
def test_training_is_shared_out_as_if_flops_were_to_grow_like_the_cost(grow, measure):
    meter = DepthMeter()
    first = grow().bounds.cost(grow().state.architecture, "flops")
    start = MEASURES[measure].cost(grow().state.architecture, meter)
    budget = BudgetConfig(cost=measure).completed(start, 4.0)
    process = grow(budget=budget, meter=meter, slices=4, slice_steps=3, batch_size=16)
    process.advance("wait")
    assert process.state.training_flops == TRAINING_PASSES * first * 3 * 16
    assert process.training_share == pytest.approx(1 / 4 / 4)


def start_from(grow, family, budget, **settings):
    init = grown(family).child
    arguments = {"slices": 100, "slice_steps": 1, "init": init, "meter": DepthMeter(), "budget": budget}
    return grow(problem_for(family), family=family, **arguments | settings)


def impossible(measure):
    return BudgetConfig(**{"cost": measure, MEASURES[measure].budget: 1e-3 if measure == "latency" else 1})


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_child_shrinks_to_the_least_that_a_refusal_names(grow, family, measure):
    with pytest.raises(InvalidConfig, match=f"raise `{MEASURES[measure].budget}`$") as refused:
        start_from(grow, family, impossible(measure))
    least = float(re.search(r"at least ([\d.,]+)", str(refused.value))[1].rstrip(",").replace(",", ""))
    least = int(least) if measure != "latency" else least
    name = MEASURES[measure].budget
    process = start_from(grow, family, replace(impossible(measure), **{name: least}))
    before = costs(process, process.state.architecture)[MEASURES[measure].guide.__name__]
    while not process.fits:
        assert not process.legal("wait", None)
        blocks_last = [choice for choice in process.choices() if choice[0] != "remove_block"]
        state = process.advance(
            *min(
                blocks_last or process.choices(),
                key=lambda choice: costs(process, after(process, *choice))[measure],
            )
        )
        guide = costs(process, state.architecture)[MEASURES[measure].guide.__name__]
        assert guide < before
        before = guide
    assert process.cost == least


@pytest.mark.parametrize("measure", MEASURES)
def test_the_rule_that_shrinks_meets_a_budget_in_any_measure(grow, measure):
    meter = DepthMeter()
    whole = MEASURES[measure].cost(grown("cnn").state.architecture, meter)
    process = start_from(grow, "cnn", BudgetConfig(cost=measure).completed(whole, 0.5), slices=10)
    while not process.fits:
        process.advance(*least_loss(process))
    assert process.cost <= process.cost_budget
    assert process.state.slice_index <= 6


def test_a_child_beyond_a_second_budget_shrinks_to_it(grow):
    params = cost(grown("mlp").state.architecture).parameters
    process = start_from(grow, "mlp", BudgetConfig(flops_budget=10**9, params_budget=params // 2))
    assert not process.fits
    assert process.bounds.exceeded(process.state.architecture) == ("params",)
    while not process.fits:
        process.advance(*least_loss(process))
    assert cost(process.state.architecture).parameters <= params // 2


def test_a_first_child_beyond_a_budget_is_refused_with_what_it_takes(grow):
    params = cost(grow().state.architecture).parameters
    with pytest.raises(InvalidConfig, match=f"parameter budget .* {params:,},.*raise `params_budget`"):
        grow(budget=BudgetConfig(flops_budget=10**9, params_budget=params - 1))
    with pytest.raises(
        InvalidConfig, match=r"latency budget .* 2 ms,.*got 1\.5 ms: raise `latency_budget_ms`"
    ):
        grow(budget=BudgetConfig(cost="latency", latency_budget_ms=1.5), meter=DepthMeter())


def test_budgets_do_not_part_trajectories_but_of_a_child_that_shrinks(grow):
    cache = PrefixCache(10**8)
    for budget in (BudgetConfig(flops_budget=10**6), BudgetConfig(cost="params", params_budget=10**5)):
        grow(budget=budget, cache=cache).advance("widen_stream_x2", STEM)
    assert (cache.hits, cache.misses) == (2, 2)
    for most in (10**5, 10**4):
        start_from(grow, "mlp", BudgetConfig(cost="params", params_budget=most), cache=cache)
    assert cache.hits == 2
