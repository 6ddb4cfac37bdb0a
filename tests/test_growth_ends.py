"""What ends growth: stop, the schedule, a target, a time limit, a child that diverges."""

import pytest
import torch
from support.problems import FAMILIES, problem_for

from mse_rl.config.training import OptimizerConfig
from mse_rl.costs import cost
from mse_rl.errors import InvalidTransformation
from mse_rl.growth import process as growth
from mse_rl.training import live_child


def test_after_the_last_slice_nothing_may_be_done(grow):
    process = grow(slices=1)
    process.advance("wait")
    assert process.finished
    assert process.complete
    with pytest.raises(InvalidTransformation):
        process.advance("wait")


def test_after_stop_only_wait_is_legal_and_training_goes_on(grow):
    process = grow()
    process.advance("stop")
    numbers = {name: tensor.clone() for name, tensor in process.child.state_dict().items()}
    assert list(process.choices()) == [("wait", None)]
    assert not process.finished
    for _ in range(3):
        process.advance("wait")
    assert process.state.stopped
    assert process.finished
    assert process.state.architecture == process.first_architecture
    now = process.child.state_dict()
    assert not any(torch.equal(now[name], numbers[name]) for name in dict(process.child.named_parameters()))
    first = cost(process.state.architecture).flops
    assert process.state.training_flops == 3 * first * 4 * 3 * 16


def test_a_target_skill_ends_the_process_as_soon_as_it_is_reached(grow):
    process = grow(slices=30, slice_steps=20, target_skill=0.3)
    skills = []
    while not process.finished:
        skills.append(process.advance("wait").validation.skill)
    assert len(skills) < 30
    assert skills[-1] >= 0.3
    assert all(skill < 0.3 for skill in skills[:-1])
    assert process.complete
    assert not process.timed_out


class Clock:
    """A clock that stands still until it is told to move."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(growth, "time", clock)
    return clock


def test_the_time_limit_ends_the_process_after_the_slice_in_which_it_runs_out(grow, clock):
    process = grow(time_limit_seconds=10.0)
    process.advance("wait")
    assert not process.finished
    slice_ends = live_child.train_slice_

    def slow(*args, **settings):
        clock.now += 11
        return slice_ends(*args, **settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_child, "train_slice_", slow)
        process.advance("wait")
    assert process.finished
    assert process.timed_out
    assert not process.complete
    assert process.state.slice_index == 2


def test_a_time_limit_that_runs_out_between_two_slices_lets_the_next_one_be_trained(grow, clock):
    """A controller that saw "not finished" must be able to decide; the slice after it is the last."""
    process = grow(time_limit_seconds=10.0)
    process.advance("wait")
    assert not process.finished
    clock.now += 11
    assert process.advance("wait").slice_index == 2
    assert process.timed_out


def test_a_tiny_time_limit_still_trains_one_slice(grow):
    process = grow(time_limit_seconds=1e-9)
    assert process.advance("wait").slice_index == 1
    assert process.timed_out


@pytest.mark.parametrize("family", FAMILIES)
def test_a_child_that_diverges_ends_the_process_with_skill_0(grow, family):
    optimizer = OptimizerConfig("sgd", learning_rate=1e30)
    process = grow(problem_for(family), family=family, optimizer=optimizer)
    while not process.finished:
        state = process.advance("wait")
    assert state.faults == ("diverged", "diverged")
    assert state.validation.skill == 0
    assert process.complete
    assert process.state.slice_index == 2
