"""Children that have grown and been trained, to start from."""

from functools import lru_cache

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.growth.process import GrowthProcess
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Link, Position
from support.problems import FIRST_KINDS, problem_for
from support.schedules import even

STEM, START = Position(0, ENTRY), Position(0, 0)


@lru_cache
def grown(family, task=None):
    """Return the process that grew a child of ``family`` to several times its FLOPs."""
    process = GrowthProcess(
        task or problem_for(family),
        GrowthConfig(family=family, **even(8, 12), batch_size=16),
        optimizer=OptimizerConfig(),
        space=SearchSpace(start_width=4),
        seed=3,
        budget=BudgetConfig(flops_budget=10**7),
    )
    for name, target in (
        ("wait", None),
        ("widen_stream_x2", STEM),
        (f"deepen_{FIRST_KINDS[family]}", STEM),
        ("widen_inner_x4", START),
        (f"deepen_{FIRST_KINDS[family]}", START),
        ("link", Link(START, Position(0, 1))),
        ("widen_inner_x1.5", Position(0, 1)),
        ("wait", None),
    ):
        process.advance(name, target)
    return process
