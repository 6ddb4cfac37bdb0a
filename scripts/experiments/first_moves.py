"""Which single change pays most as the first decision, by family: where the rule `first_move` comes from.

    python scripts/experiments/first_moves.py --contexts 24

Plays the contexts that ``mse-rl train`` draws, once with `balance` alone, and once for every change that a
first child allows, which is made first; `balance` decides all that follows. Prints for each family by how
much utility rises or falls, with a 95% interval, the best first.
"""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import torch
import tyro
from tyro.conf import OmitArgPrefixes

from mse_rl.agents.controller import Controller, DecisionPoint, run_episode
from mse_rl.agents.evaluation import paired_interval
from mse_rl.agents.grouping import draw_seeds
from mse_rl.agents.rules import Balance
from mse_rl.config.training import ExpansionConfig
from mse_rl.envs.expansion import ExpansionEnv, place

STREAM = 4
"""Contexts that neither training nor the comparison at its end draws."""


@dataclass(frozen=True)
class Arguments:
    """What is compared."""

    contexts: int = 24
    """Episodes for each change."""
    seed: int = 0
    """Of the contexts."""
    env: ExpansionConfig = field(default_factory=ExpansionConfig)


class First(Controller):
    """Takes one action first; `balance` decides what follows."""

    def __init__(self, action: int) -> None:
        self._action, self._balance = action, Balance()

    def decide(self, point: DecisionPoint) -> int:
        """Return the action."""
        return self._balance.decide(point) if point.env.process.state.slice_index else self._action


def main(arguments: Arguments) -> None:
    """Play everything, print the tables."""
    torch.set_num_threads(1)
    env = ExpansionEnv(arguments.env)
    gains: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for number in range(arguments.contexts):
        context = env.draw_context(np.random.default_rng([arguments.seed, STREAM, number]))
        seeds = draw_seeds(arguments.seed, STREAM, number, decisions=env.config.growth.slices)
        level = run_episode(env, Balance(), context, seeds=seeds).final["utility"]
        env.reset(options={"context": context})
        first = env.process.state.architecture
        for action in np.flatnonzero(env.action_masks()).tolist():
            name, target = env.actions.decode(action, first)
            utility = run_episode(env, First(action), context, seeds=seeds).final["utility"]
            gains[first.family][f"{name} {place(target)}".strip()].append(utility - level)
    for family, changes in gains.items():
        print(f"\n{family}")
        for change, values in sorted(changes.items(), key=lambda pair: -float(np.mean(pair[1]))):
            among = paired_interval(np.array(values))
            interval = "{mean:+.4f} [{low:+.4f}, {high:+.4f}]".format(**among)
            print(f"{change:28} {interval}  {len(values)} contexts")


if __name__ == "__main__":
    main(tyro.cli(Arguments, config=(OmitArgPrefixes,)))
