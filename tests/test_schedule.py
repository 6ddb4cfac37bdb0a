"""How long a child trains, and when decisions are due: in closed form, and along a growth."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.problems import FAMILIES, problem_for
from support.strategies import architectures

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs import cost, training_flops
from mse_rl.costs.compute_optimal import Schedule
from mse_rl.errors import InvalidConfig
from mse_rl.training import learning_rate
from mse_rl.transformations import TRANSFORMATIONS

BATCH = 8
SHARES = st.floats(0.05, 1)


def play(schedule, children):
    """Return what has been spent after each slice, of which each trains one of the children."""
    spent, after = 0, []
    for index, child in enumerate(children):
        spent += schedule.slice_steps(child, index, spent) * schedule.step_price(child)
        after.append(spent)
    return after


def prices(children):
    return [training_flops(child, BATCH) for child in children]


@given(slices=st.integers(1, 50), share=SHARES)
def test_decisions_are_spread_evenly_over_their_share_and_the_last_slice_takes_the_rest(slices, share):
    schedule = Schedule(1000, False, slices, BATCH, share)
    ends = [0.0, *(schedule.end(index) for index in range(slices))]
    assert ends[-1] == 1
    assert np.diff(ends)[:-1] == pytest.approx(share / slices)
    assert 1 - ends[-2] >= share / slices - 1e-12


@given(st.lists(architectures(), min_size=1, max_size=8), SHARES, st.floats(2, 100))
def test_every_slice_ends_within_half_a_step_of_its_share_whatever_size_the_child_has(children, share, steps):
    """Where a slice pays for two steps or more of the largest."""
    most = max(prices(children))
    schedule = Schedule(int(steps * most * len(children) / share) + 1, False, len(children), BATCH, share)
    for index, spent in enumerate(play(schedule, children)):
        assert abs(spent - schedule.end(index) * schedule.total) <= prices(children)[index] / 2 + 1e-6


@given(st.lists(architectures(), min_size=1, max_size=8), SHARES, st.booleans(), st.integers(1, 10**7))
def test_every_slice_has_a_step_and_no_schedule_is_overspent_by_more_than_one_in_each(
    children, share, counts_steps, total
):
    schedule = Schedule(total, counts_steps, len(children), BATCH, share)
    price = [schedule.step_price(child) for child in children]
    spent = play(schedule, children)
    assert all(now >= before + p for before, now, p in zip([0, *spent], spent, price, strict=False))
    assert -price[-1] / 2 <= spent[-1] - total <= sum(price)


@given(architectures(), architectures(), SHARES, st.integers(0, 4))
def test_for_the_same_share_a_small_child_takes_more_steps_than_a_large_one(one, other, share, index):
    small, large = sorted((one, other), key=lambda child: cost(child).flops)
    total = 1000 * max(prices((small, large)))
    schedule = Schedule(total, False, 5, BATCH, share)
    many, few = (schedule.slice_steps(child, index, 0) for child in (small, large))
    assert many >= few
    assert many / few == pytest.approx(cost(large).flops / cost(small).flops, rel=0.1)


@given(st.lists(architectures(), min_size=1, max_size=8), st.integers(1, 20))
def test_a_number_of_steps_is_the_same_for_every_child(children, steps):
    schedule = Schedule(steps * len(children), True, len(children), BATCH, 1.0)
    assert play(schedule, children) == [steps * (index + 1) for index in range(len(children))]
    assert schedule.most_flops(0, 0) == inf
    assert schedule.spent(steps=3, flops=10**9) == 3


@given(architectures(), st.integers(1, 10**9), st.integers(0, 3))
def test_a_child_is_affordable_if_a_slice_pays_for_a_step_of_it(architecture, total, index):
    schedule = Schedule(total, False, 4, BATCH, 0.5)
    begin = schedule.end(index - 1) if index else 0.0
    due = (schedule.end(index) - begin) * total  # what is left of earlier slices is no credit
    affordable = cost(architecture).flops <= schedule.most_flops(index, 0)
    assert affordable == (training_flops(architecture, BATCH) <= due)
    assert schedule.spent(steps=3, flops=10) == 10


@given(st.lists(architectures(), min_size=1, max_size=8), SHARES, st.integers(1, 10**7))
def test_where_every_child_is_affordable_no_slice_ends_further_from_its_share_than_half_a_step(
    children, share, total
):
    schedule = Schedule(total, False, 8, BATCH, share)
    spent, child = 0, None
    for index in range(8):
        legal = [c for c in children if cost(c).flops <= schedule.most_flops(index, spent)]
        child = legal[index % len(legal)] if legal else child  # waiting is always legal
        if child is None:
            return
        spent += schedule.slice_steps(child, index, spent) * schedule.step_price(child)
        assert abs(spent - schedule.end(index) * total) <= schedule.step_price(child) / 2 + 1e-6


@given(architectures(), st.integers(1, 10**5), st.floats(0.5, 100))
def test_a_length_that_was_drawn_in_passes_is_as_many_passes_of_the_first_child(first, samples, passes):
    passes = max(passes, 21 * BATCH / samples)  # each of 10 slices has a step at least
    config = GrowthConfig(batch_size=BATCH, slices=10, decision_share=0.5)
    config = config.completed(cost(first).flops, samples, passes)
    a_flop = 1.01 / (3 * cost(first).flops * samples)  # a schedule has whole ones
    assert config.schedule.passes(first, samples) == pytest.approx(passes, abs=a_flop)
    spent = config.schedule.total // 4
    rest = config.schedule.passes(first, samples, spent=spent)
    assert rest == pytest.approx(0.75 * passes, abs=2 * a_flop)
    assert config.schedule.passes(first, samples, spent=2 * config.schedule.total) == 0


def test_by_hand():
    by_flops, by_steps = Schedule(12_000, False, 4, 10, 0.5), Schedule(100, True, 4, 10, 0.5)
    assert [by_flops.end(index) for index in range(4)] == [0.125, 0.25, 0.375, 1]
    assert by_flops.most_flops(1, 600) == 1_500 / (3 * 10)
    assert by_flops.most_flops(1, 2_000) == (3_000 - 2_000) / (3 * 10)
    assert by_steps.full_flops(7) == 3 * 7 * 10 * 100
    assert by_flops.full_flops(7) == 12_000


@pytest.mark.parametrize("family", FAMILIES)
def test_growth_spends_its_training_flops_and_a_larger_child_takes_fewer_steps(grow, family):
    def begin(**settings):
        return grow(problem_for(family), family=family, slices=5, batch_size=BATCH, **settings)

    first = begin().first_flops
    process = begin(training_flops=3.0 * first * BATCH * 100, flops_budget=10**8)
    assert process.first_passes == process.passes_left == pytest.approx(100 * BATCH / 96)
    flops, steps = [], []
    while not process.finished:
        widening = [c for c in process.choices() if c[0] == "widen_stream_x2"]
        before = process.state
        state = process.advance(*(widening or process.choices())[0])
        steps.append(state.training_steps - before.training_steps)
        flops.append(state.training_flops - before.training_flops)
        assert flops[-1] == training_flops(state.architecture, BATCH * steps[-1])
        assert process.spent == state.training_flops == sum(flops)
        assert process.share == pytest.approx(sum(flops) / (3 * first * BATCH * 100))
        assert process.passes_left == pytest.approx(
            max(0, 1 - process.share) * process.schedule.total / (3 * state.flops * 96)
        )
    assert steps[0] > steps[2]
    assert abs(process.share - 1) * process.schedule.total <= training_flops(state.architecture, BATCH)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_the_schedule_cannot_pay_a_step_of_is_not_legal_and_anything_else_is(grow, family):
    def begin(**settings):
        return grow(problem_for(family), family=family, slices=4, flops_budget=10**9, **settings)

    free = begin()
    schedule = {"training_flops": 1.6 * 3 * free.first_flops * 16 * 4 / 0.6}
    process, masked = begin(**schedule), 0
    while not process.finished:
        affordable = process.schedule.most_flops(process.state.slice_index, process.spent)

        def flops_after(name, target):
            return cost(TRANSFORMATIONS[name].edit(process.state.architecture, target, process.space)).flops

        paid, unbounded = set(process.choices()), set(process.bounds.choices(process.state))
        assert paid <= unbounded
        for choice in unbounded:
            dear = flops_after(*choice) > max(affordable, process.state.flops)
            assert (choice not in paid) == dear
            masked += dear
        process.advance(*process.choices()[-1])
    assert masked


def test_training_flops_below_one_batch_of_the_first_child_in_each_slice_are_refused(grow):
    first = grow().first_flops
    least = 3 * first * 16 * 4 / 0.6
    with pytest.raises(
        InvalidConfig, match=r"raise `training_flops` .* lower `slices` or `batch_size`$"
    ) as said:
        grow(training_flops=least - 1000)
    assert f"{least:.3g}" in str(said.value)
    assert "\n" not in str(said.value)
    process = grow(training_flops=least + 1)
    while not process.finished:
        process.advance("wait")
    assert process.state.slice_index == 4
    assert process.state.training_steps >= 4


def test_fewer_training_steps_than_slices_are_refused(grow):
    with pytest.raises(
        InvalidConfig, match=r"at least 4 training steps, one for each slice, got 3: raise `training_steps`"
    ):
        grow(slices=4, training_steps=3)
    assert grow(slices=4, training_steps=4).advance("wait").training_steps == 1


@pytest.mark.parametrize("hold", [0.0, 0.6, 1.0])
def test_the_learning_rate_follows_the_share_and_is_known_to_the_end(grow, hold):
    optimizer = OptimizerConfig("sgd", learning_rate=0.05, learning_rate_hold=hold)
    process = grow(slices=10, slice_steps=5, optimizer=optimizer)
    rates = [process.learning_rate]
    while not process.finished:
        process.advance("wait")
        rates.append(process.learning_rate)
    expected = [learning_rate(share / 10, 0.02, optimizer) for share in range(10)]
    assert rates == pytest.approx([*expected, 0.0])
    assert process.peak_learning_rate == 0.05
