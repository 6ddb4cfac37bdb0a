"""How fast a machine trains is told by a clock, without the first steps, which are slow."""

import pytest
import torch
from support.problems import FAMILIES, problem_for

from mse_rl.config.training import OptimizerConfig
from mse_rl.costs import training_flops
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.training import slice as speed
from mse_rl.training.slice import training_speed


def first(family):
    return starting_architecture(family, problem_for(family).inputs, SearchSpace(start_width=4))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_a_speed_and_the_global_generator_is_left_alone(family, monkeypatch):
    monkeypatch.setattr(speed, "MEASURED_SECONDS", 0.02)
    before = torch.get_rng_state()
    assert training_speed(problem_for(family), first(family), OptimizerConfig(), 16) > 0
    assert torch.equal(torch.get_rng_state(), before)


class Steps:
    """Stands in for training steps, and for the clock that they are measured by."""

    def __init__(self, seconds):
        self.now, self.taken, self._seconds = 0.0, 0, seconds

    def perf_counter(self):
        return self.now

    def __call__(self, x, y):
        assert len(x) == len(y) == 16
        self.taken += 1
        self.now += self._seconds(self.taken)
        return torch.zeros(())


def measured(monkeypatch, seconds):
    """Return the seconds that a step takes, where they are a function of its number; and all steps."""
    steps = Steps(seconds)
    monkeypatch.setattr(speed, "time", steps)
    monkeypatch.setattr(speed, "Step", lambda *_: steps)
    found = training_speed(problem_for("mlp"), first("mlp"), OptimizerConfig(), 16)
    return training_flops(first("mlp"), 16) / found, steps


@pytest.mark.parametrize("seconds", [0.001, 0.03, 0.4, 0.6, 2.0])
def test_it_is_the_flops_of_a_step_over_its_time_however_slow_the_machine(seconds, monkeypatch):
    found, steps = measured(monkeypatch, lambda _: seconds)
    assert found == pytest.approx(seconds)
    assert steps.now <= 1 + (speed.WARM_UP_STEPS + 1) * seconds + 1e-9


def test_the_first_steps_do_not_count(monkeypatch):
    found, _ = measured(monkeypatch, lambda step: 0.3 if step <= speed.WARM_UP_STEPS else 0.01)
    assert found == pytest.approx(0.01)
