"""Fixtures that several packages' tests share.

HYPOTHESIS_PROFILE=thorough looks for counterexamples longer, night longest, and elsewhere every time.
"""

import os
import signal

import hypothesis
import pytest
import torch
from support.schedules import even

from mse_rl.config.training import ExpansionConfig, GrowthConfig, OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.data import Task, load_task
from mse_rl.growth.process import GrowthProcess
from mse_rl.spec import SearchSpace

# One thread here and in the processes that tests start: other threads, other rounding.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"
hypothesis.settings.register_profile("ci", deadline=None, max_examples=20, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.register_profile("night", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def task() -> Task:
    """Return 200 of the bundled digits, 8x8, in ten classes."""
    return load_task("digits", TaskConfig(max_train=200))


@pytest.fixture
def grow(task):
    """Return a function that begins a GrowthProcess, small, fast and on ``task`` unless told otherwise.

    Its slices have ``slice_steps`` each, where no other length is given.
    """
    arguments = ("optimizer", "space", "seed", "budget", "init", "renumbering", "cache", "meter")

    def begin(on=task, flops_budget=1_000_000, **settings):
        settings = {"slices": 4, "batch_size": 16} | settings
        if not {"training_flops", "training_steps"} & settings.keys():
            settings |= even(settings["slices"], settings.pop("slice_steps", 3))
        given = {name: settings.pop(name) for name in arguments if name in settings}
        budget = BudgetConfig(flops_budget=flops_budget)
        usual = {
            "optimizer": OptimizerConfig(),
            "space": SearchSpace(start_width=4),
            "seed": 0,
            "budget": budget,
        }
        return GrowthProcess(on, GrowthConfig(**settings), **usual | given)

    return begin


@pytest.fixture(scope="session")
def tiny() -> ExpansionConfig:
    """Return an environment whose episodes take milliseconds: 2 slices of 2 steps."""
    return ExpansionConfig(
        task=("digits",),
        data=TaskConfig(max_train=200),
        growth=GrowthConfig(**even(2, 2), batch_size=16),
        space=SearchSpace(max_blocks=6, max_stages=2, start_width=4),
        budget=BudgetConfig(budget_low=2, budget_high=8),
    )


@pytest.fixture
def heard():
    """Have signals reach the tests, also where a shell has its background jobs ignore them."""
    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    yield
    for number, action in before.items():
        signal.signal(number, action)
