"""Growth by hand-written rules."""

import numpy as np

from mse_rl.agents.controller import Controller, Turn
from mse_rl.envs.actions import BLOCK_OPERATIONS
from mse_rl.errors import InvalidController, unknown_name

WAIT = 0
"""The action that is always legal."""


def _actions_of(turn: Turn, operation: str) -> list[int]:
    """Return the legal actions of one transformation, from the input to the output."""
    env, architecture = turn.env, turn.env.process.state.architecture
    decoded = (
        (int(action), env.actions.decode(int(action), architecture)) for action in np.flatnonzero(turn.mask)
    )
    return [action for action, decision in decoded if decision is not None and decision[0] == operation]


class Wait:
    """Never grow: train the first child to the end."""

    def decide(self, turn: Turn) -> int:
        """Return ``wait``."""
        return WAIT


class Random:
    """Any legal action, each as likely as the others."""

    def decide(self, turn: Turn) -> int:
        """Draw a legal action."""
        return int(turn.rng.choice(np.flatnonzero(turn.mask)))


class Threshold:
    """Deepen while validation accuracy is below a threshold: the rule the method was first described with.

    Stages take turns, so that depth is spread evenly.
    """

    def __init__(self, accuracy: float = 0.95) -> None:
        self.accuracy = accuracy

    def decide(self, turn: Turn) -> int:
        """Deepen the shallowest stage that may be, or wait."""
        legal = _actions_of(turn, "deepen")
        if not legal or turn.env.process.state.validation.accuracy >= self.accuracy:
            return WAIT
        env, architecture = turn.env, turn.env.process.state.architecture

        def blocks_of_stage(action: int) -> int:
            decision = env.actions.decode(action, architecture)
            target = decision[1] if decision else None
            assert target is not None
            return len(architecture.stages[target.stage].blocks)

        return min(legal, key=blocks_of_stage)


class Widen:
    """Cycle through all widenings, at all blocks, until the budget is full."""

    def decide(self, turn: Turn) -> int:
        """Take the next widening of the cycle that is legal, or wait."""
        widenings = [name for name in reversed(BLOCK_OPERATIONS) if name.startswith("widen")]
        number = turn.env.process.state.slice_index
        for offset in range(len(widenings)):
            legal = _actions_of(turn, widenings[(number + offset) % len(widenings)])
            if legal:
                return legal[number // len(widenings) % len(legal)]
        return WAIT


RULES: dict[str, type[Controller]] = {
    "wait": Wait,
    "random": Random,
    "threshold": Threshold,
    "widen": Widen,
}


def make_rule(name: str) -> Controller:
    """Return the rule of that name.

    Raises:
        InvalidController: if there is none.
    """
    if name not in RULES:
        raise InvalidController(unknown_name("rule", name, RULES))
    return RULES[name]()
