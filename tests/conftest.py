"""Fixtures that several packages' tests share.

HYPOTHESIS_PROFILE=thorough looks for counterexamples longer, and elsewhere every time.
"""

import os

import hypothesis
import pytest
import torch

from mse_rl.config import (
    BudgetConfig,
    ExpansionConfig,
    GrowthConfig,
    OptimizerConfig,
    TaskConfig,
)
from mse_rl.data import Task, load_task
from mse_rl.growth import GrowthProcess
from mse_rl.search_space import SearchSpace

torch.set_num_threads(1)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=30, derandomize=True)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=1000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


@pytest.fixture(scope="session")
def task() -> Task:
    """Return 200 of the bundled digits, 8x8, in ten classes."""
    return load_task("digits", TaskConfig(max_train=200))


@pytest.fixture
def grow(task):
    """Return a function that begins a GrowthProcess on ``task``, small and fast unless told otherwise."""

    def begin(*, optimizer=None, space=None, seed=0, flops_budget=1_000_000, init=None, cache=None, **growth):
        settings = {"slices": 4, "slice_steps": 3, "batch_size": 16} | growth
        return GrowthProcess(
            task,
            GrowthConfig(**settings),
            optimizer=optimizer or OptimizerConfig(),
            space=space or SearchSpace(start_width=4),
            seed=seed,
            flops_budget=flops_budget,
            init=init,
            cache=cache,
        )

    return begin


@pytest.fixture(scope="session")
def tiny() -> ExpansionConfig:
    """Return an environment whose episodes take milliseconds: 2 slices of 2 steps."""
    return ExpansionConfig(
        data=TaskConfig(max_train=200),
        growth=GrowthConfig(slices=2, slice_steps=2, batch_size=16),
        space=SearchSpace(max_blocks=6, start_width=4),
        budget=BudgetConfig(budget_low=2, budget_high=8),
    )
