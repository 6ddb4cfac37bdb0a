"""How far a perfect choice among the rules is ahead of the best fixed one: what a policy could learn.

    python scripts/experiments/choices.py --cells 24 --rules wait widen pace:1:0.3

A cell is a task, a budget, a number of training FLOPs and a first width, drawn as ``mse-rl train`` draws
them. Every rule plays every cell with two seeds. The rule that is best in a cell with one seed is measured
there with the other. Takes the options of ``mse-rl train`` for tasks, schedules and budgets.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
import tyro
from tyro.conf import OmitArgPrefixes

from mse_rl.agents.evaluation import paired_interval
from mse_rl.agents.grouping import draw_seeds
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.config.training import ExpansionConfig
from mse_rl.envs.expansion import ExpansionEnv

STREAM = 3
"""Contexts that neither training nor the comparison at its end draws."""
BUDGET_SHARES, SCHEDULE_SHARES = (0.12, 0.25, 0.5, 1), (0.2, 0.4, 0.6)
RULES = (
    *("wait", "random", "threshold", "widen", "balance", "first_move"),
    *(f"pace:{budget:g}:{time:g}" for budget in BUDGET_SHARES for time in SCHEDULE_SHARES),
)


@dataclass(frozen=True)
class Arguments:
    """What is compared."""

    rules: tuple[str, ...] = RULES
    """To choose from."""
    cells: int = 48
    """Contexts."""
    cell_seed: int = 0
    """Of the cells."""
    workers: int = 2
    """Processes, each with one thread."""
    env: ExpansionConfig = field(default_factory=ExpansionConfig)


def main(arguments: Arguments) -> None:
    """Play everything, print the table."""
    torch.set_num_threads(1)
    env = ExpansionEnv(arguments.env)
    decisions = env.config.growth.slices
    rngs = [np.random.default_rng([arguments.cell_seed, STREAM, cell]) for cell in range(arguments.cells)]
    contexts = [env.draw_context(rng) for rng in rngs]
    again = [
        replace(context, seed=int(rng.integers(2**31))) for context, rng in zip(contexts, rngs, strict=True)
    ]
    with WorkerPool(env, arguments.workers) as pool:
        jobs = [
            Job(rule, context, draw_seeds(arguments.cell_seed, STREAM, cell, decisions=decisions))
            for cells in (contexts, again)
            for cell, context in enumerate(cells)
            for rule in arguments.rules
        ]
        played = [episode.final["utility"] for episode in pool.play(jobs)]
    utility = np.array(played).reshape(2, arguments.cells, len(arguments.rules))
    print(f"{'cell':46}" + " ".join(f"{rule:>13}" for rule in arguments.rules))
    for cell, context in enumerate(contexts):
        values = " ".join(f"{value:13.3f}" for value in utility[:, cell].mean(axis=0))
        name = env.tasks[context.task].name
        limits = f"budget ×{context.budget_multiple:.1f}, {context.passes:.1f} passes"
        print(f"{name:14} ×{context.width_multiple:.2f} {limits:24} {values}")
    means = utility.mean(axis=(0, 1))
    print(f"{'mean':46}" + " ".join(f"{value:13.3f}" for value in means))
    best = int(means.argmax())
    hindsight = utility.mean(axis=0).max(axis=1).mean()
    fixed = np.concatenate([utility[1, :, best], utility[0, :, best]])
    chosen = np.concatenate([_measured(utility[0], utility[1]), _measured(utility[1], utility[0])])
    ahead = paired_interval(chosen - fixed)
    print(f"best fixed rule: {arguments.rules[best]}, {means[best]:.3f}; in hindsight {hindsight:.3f}")
    print(
        f"chosen per cell with one seed, measured with the other: {chosen.mean():.3f}, "
        f"{ahead['mean']:+.3f} [{ahead['low']:+.3f}, {ahead['high']:+.3f}]"
    )


def _measured(chosen_on: np.ndarray, measured_on: np.ndarray) -> np.ndarray:
    """Return for each cell (n,) the utility of the rule that is best on other seeds; both (n, rules)."""
    return np.take_along_axis(measured_on, chosen_on.argmax(axis=1)[:, None], axis=1)[:, 0]


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
