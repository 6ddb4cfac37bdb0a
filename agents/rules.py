"""Growth by hand-written rules."""

from abc import abstractmethod
from math import log

import numpy as np

from mse_rl.agents.controller import Controller, Turn
from mse_rl.errors import InvalidController, unknown_name
from mse_rl.growth import GrowthProcess
from mse_rl.transformations import TRANSFORMATIONS, Target

Decision = tuple[str, Target]
WAIT: Decision = ("wait", None)


class Rule(Controller):
    """Decides by looking at the growth itself. A child that has to shrink is shrunk as ``Compress`` does."""

    def decide(self, turn: Turn) -> int:
        """Return the action of the rule's decision."""
        process = turn.env.process
        name, target = self.choose(process) if process.fits else least_loss(process)
        return turn.env.actions.encode(name, target, process.state.architecture)

    @abstractmethod
    def choose(self, process: GrowthProcess) -> Decision:
        """Return a legal decision for a child that fits its budgets."""


class Wait(Rule):
    """Never grow: train the first child to the end."""

    def choose(self, process: GrowthProcess) -> Decision:
        """Return ``wait``."""
        return WAIT


class Random:
    """Any legal action, each as likely as the others."""

    def decide(self, turn: Turn) -> int:
        """Draw a legal action."""
        return int(turn.rng.choice(np.flatnonzero(turn.mask)))


class Threshold(Rule):
    """Deepen while validation accuracy is below a threshold: the rule the method was first described with.

    Stages take turns, so that depth is spread evenly, and so do the kinds of block that a stage has.
    """

    def __init__(self, accuracy: float = 0.95) -> None:
        self.accuracy = accuracy

    def choose(self, process: GrowthProcess) -> Decision:
        """Deepen the shallowest stage that may be, at its end, or wait."""
        if process.state.validation.accuracy >= self.accuracy:
            return WAIT
        stages = process.state.architecture.stages
        for stage in sorted(range(len(stages)), key=lambda s: len(stages[s].blocks)):
            kinds = [block.kind for block in stages[stage].blocks]
            name = f"deepen_{kinds[-len(set(kinds))]}"
            ends = [d for d in process.choices() if d[0] == name and _stage_of(d[1]) == stage]
            if ends:
                return ends[-1]
        return WAIT


class Widen(Rule):
    """Cycle through widenings of streams and units, at all blocks, until the budget is full."""

    CYCLE = ("widen_stream_x2", "widen_stream_x1.5", "widen_inner_x2", "widen_inner_x1.5")

    def choose(self, process: GrowthProcess) -> Decision:
        """Take the next widening of the cycle that is legal, or wait."""
        number = process.state.slice_index
        for offset in range(len(self.CYCLE)):
            name = self.CYCLE[(number + offset) % len(self.CYCLE)]
            legal = [decision for decision in process.choices() if decision[0] == name]
            if legal:
                return legal[number // len(self.CYCLE) % len(legal)]
        return WAIT


class Compress(Rule):
    """Shrink until the budget is met, then train on: what matters least for its cost goes first."""

    def choose(self, process: GrowthProcess) -> Decision:
        """Return ``wait``."""
        return WAIT


def least_loss(process: GrowthProcess) -> Decision:
    """Return the shrinking that loses least importance for what it saves of the tightest budget.

    It saves at least its share of what is to be saved by the middle of the schedule, if any does.
    """
    state, bounds = process.state, process.bounds
    measure = bounds.tightest(state.architecture)
    cost = bounds.cost(state.architecture, measure)
    time_left = max(1, process.config.slices // 2 - state.slice_index)
    share = log(cost / bounds.budget.most[measure]) / time_left

    def saved(decision: Decision) -> float:
        name, target = decision
        after = TRANSFORMATIONS[name].edit(state.architecture, target, process.space)
        return log(cost / bounds.cost(after, measure))

    def loss(decision: Decision) -> float:
        name, target = decision
        return TRANSFORMATIONS[name].lost(process.child, target, process.space, state.statistics)

    choices = [decision for decision in process.choices() if decision != WAIT]
    enough = [decision for decision in choices if 0 < saved(decision) >= share]
    if enough:
        return min(enough, key=lambda decision: (loss(decision) / saved(decision), -saved(decision)))
    return max(choices, key=saved, default=WAIT)


def _stage_of(target: Target) -> int | None:
    return getattr(target, "stage", None)


RULES: dict[str, type[Controller]] = {
    "wait": Wait,
    "random": Random,
    "threshold": Threshold,
    "widen": Widen,
    "compress": Compress,
}
GROWING_RULES = ("wait", "random", "threshold", "widen")
"""The rules that a learned policy is compared with when it has been trained."""


def make_rule(name: str) -> Controller:
    """Return the rule of that name.

    Raises:
        InvalidController: if there is none.
    """
    if name not in RULES:
        raise InvalidController(unknown_name("rule", name, RULES))
    return RULES[name]()
