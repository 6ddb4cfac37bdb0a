"""Children that have grown and been trained, to start from."""

from functools import lru_cache

from problems import FIRST_KINDS, problem_for

from mse_rl.architecture import Link, Position
from mse_rl.budget import BudgetConfig
from mse_rl.config import GrowthConfig, OptimizerConfig
from mse_rl.growth import GrowthProcess
from mse_rl.search_space import SearchSpace

START = Position(0, 0)


@lru_cache
def grown(family, task=None):
    """Return the process that grew a child of ``family`` to five or more times its FLOPs."""
    process = GrowthProcess(
        task or problem_for(family),
        GrowthConfig(family=family, slices=8, slice_steps=12, batch_size=16),
        optimizer=OptimizerConfig(),
        space=SearchSpace(),
        seed=3,
        budget=BudgetConfig(flops_budget=10**7),
    )
    for name, target in (
        ("wait", None),
        ("widen_stream_x2", START),
        (f"deepen_{FIRST_KINDS[family]}", START),
        ("widen_inner_x4", START),
        (f"deepen_{FIRST_KINDS[family]}", START),
        ("link", Link(START, Position(0, 2))),
        ("widen_inner_x1.5", Position(0, 1)),
        ("wait", None),
    ):
        process.advance(name, target)
    return process
