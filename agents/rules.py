"""Growth by hand-written rules."""

from abc import abstractmethod
from collections.abc import Callable
from math import inf, log

import numpy as np

from mse_rl.agents.controller import Controller, DecisionPoint, own_controller
from mse_rl.errors import InvalidController, unknown_name
from mse_rl.growth.process import GrowthProcess
from mse_rl.plugins import in_short, is_path, label, load_object
from mse_rl.spec import FAMILIES, Architecture
from mse_rl.transformations import WAIT, Decision, transformation


class Rule(Controller):
    """Decides by looking at the growth itself. A child that has to shrink is shrunk: see ``least_loss``."""

    def decide(self, point: DecisionPoint) -> int:
        """Return the action of the rule's decision.

        Raises:
            InvalidController: if it is not legal.
        """
        process = point.env.process
        decision = self.choose(process, point.rng) if process.fits else least_loss(process)
        if decision not in process.choices():
            raise InvalidController(
                f"expected {label(self)} to choose one of process.choices(), got {in_short(decision)}: "
                "return one of them"
            )
        return point.env.actions.encode(*decision, process.state.architecture)

    @abstractmethod
    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return a legal decision for a child that fits its budgets; ``rng`` is for rules that draw."""


class Wait(Rule):
    """Never grow: train the first child to the end."""

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return ``wait``."""
        return WAIT


class Random(Rule):
    """Any legal decision that keeps what was learnt, each as likely as the others: it never shrinks or
    stops.
    """

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Draw a decision."""
        keeping = [
            decision
            for decision in process.choices()
            if (change := transformation(decision.name)).preserving and not change.ends_growth
        ]
        return keeping[rng.integers(len(keeping))]


class Threshold(Rule):
    """Deepen while validation accuracy is below a threshold: the rule the method was first described with.

    Stages take turns, so that depth is spread evenly, and so do the kinds of block that a stage has.
    """

    def __init__(self, accuracy: float = 0.95) -> None:
        if not 0 <= accuracy <= 2:  # above 1 it never stops
            raise InvalidController(
                f"threshold takes an accuracy from 0 to 2, got {accuracy:g}: write threshold:ACCURACY"
            )
        self.accuracy = accuracy

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Deepen the shallowest stage that may be, at its end, or wait."""
        if process.state.validation.accuracy >= self.accuracy:
            return WAIT
        family, stages = process.state.architecture.family, process.state.architecture.stages
        for stage in sorted(range(len(stages)), key=lambda s: len(stages[s].blocks)):
            kinds = [block.kind for block in stages[stage].blocks] or FAMILIES[family].kinds[:1]
            name = f"deepen_{kinds[-len(set(kinds))]}"
            ends = [
                d for d in process.choices() if d.name == name and getattr(d.target, "stage", None) == stage
            ]
            if ends:
                return ends[-1]
        return WAIT


class Widen(Rule):
    """Cycle through widenings of streams and units, at all blocks, until the budget is full."""

    CYCLE = ("widen_stream_x2", "widen_stream_x1.5", "widen_inner_x2", "widen_inner_x1.5")

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return the next legal widening of the cycle, or ``wait``."""
        number = process.state.slice_index
        for offset in range(len(self.CYCLE)):
            name = self.CYCLE[(number + offset) % len(self.CYCLE)]
            legal = [decision for decision in process.choices() if decision.name == name]
            if legal:
                return legal[number // len(self.CYCLE) % len(legal)]
        return WAIT


class Pace(Rule):
    """Raise cost geometrically to a share of the budget, by a share of the schedule; below the first
    child's cost it falls.

    cost(p) = first · (budget_share · budget / first)^min(1, p / schedule_share) at the share p of the
    schedule. Each decision resizes the whole child, or waits, whichever comes closest; where the vocabulary
    lacks that, the streams are resized one by one.

    Args:
        budget_share: of the budget, that the child costs in the end; above 0, at most 1. The defaults are
            the best fixed pair for the tasks of ``mse-rl train`` (``scripts/experiments/choices.py``).
        schedule_share: of the schedule, by which it does; above 0, at most 1.

    Raises:
        InvalidController: if one is not.
    """

    def __init__(self, budget_share: float = 0.12, schedule_share: float = 0.4) -> None:
        for name, share in (("budget", budget_share), ("schedule", schedule_share)):
            if not 0 < share <= 1:
                raise InvalidController(
                    f"pace takes a share of the {name} above 0 and at most 1, got {share:g}: write "
                    "pace:BUDGET_SHARE:SCHEDULE_SHARE"
                )
        self.budget_share, self.schedule_share = budget_share, schedule_share

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return the resizing that comes closest, or wait."""
        due = self.due(process)

        def distance(decision: Decision) -> float:
            after = _edited(process, decision)
            return abs(log(process.bounds.cost(after)) - due)

        verb = "widen" if log(process.cost) < due else "narrow"
        whole = any(name.startswith(f"{verb}_child") for name in process.bounds.vocabulary)
        prefix = f"{verb}_child" if whole else f"{verb}_stream"
        return min((WAIT, *(d for d in process.choices() if d.name.startswith(prefix))), key=distance)

    def due(self, process: GrowthProcess) -> float:
        """Return the logarithm of what the child should cost now."""
        first, final = process.first_cost, self.budget_share * process.cost_budget
        return log(first) + log(final / first) * min(1.0, process.share / self.schedule_share)


class Balance(Pace):
    """Grow to the size that is right for the training FLOPs, at once, early in the schedule.

    See ``mse_rl.costs.compute_optimal``. The cost that is priced is taken to rise as FLOPs do. The rule never
    shrinks, keeps to the budget, and does not grow where the schedule pays for less than one pass of the
    first child over the data: what a larger child would gain, it has no time left to learn.

    Args:
        factor: of the FLOPs that are right; positive.
        schedule_share: of the schedule, after which the child grows; above 0, at most 1.

    Raises:
        InvalidController: if one is not.
    """

    def __init__(self, factor: float = 1.0, schedule_share: float = 0.1) -> None:
        if not 0 < factor < inf:
            raise InvalidController(f"balance takes a positive factor, got {factor:g}: write balance:FACTOR")
        super().__init__(1.0, schedule_share)
        self.factor = factor

    def due(self, process: GrowthProcess) -> float:
        """Return the logarithm of what the child should cost now."""
        first = process.first_cost
        if process.share < self.schedule_share or process.first_passes < 1:
            return log(first)
        ratio = self.factor * process.optimal_flops / process.first_flops
        return log(min(first * max(1.0, ratio), process.cost_budget))


FIRST_MOVES = {"cnn": "deepen_separable", "mlp": "widen_child_x1.5"}
"""By family; those that paid most on average at the start of episodes of ``mse-rl train``, for mlp by less
than noise (``scripts/experiments/first_moves.py``). Others make none."""


class FirstMove(Balance):
    """Make the change that is best for the family on average, at the last target that allows it, then
    follow ``balance``.
    """

    def choose(self, process: GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return the first move at the first decision, if it is legal; later what ``balance`` does."""
        name = FIRST_MOVES.get(process.state.architecture.family)
        moves = [decision for decision in process.choices() if decision.name == name]
        if process.state.slice_index == 0 and moves:
            return moves[-1]
        return super().choose(process, rng)

    def due(self, process: GrowthProcess) -> float:
        """Return the same as ``balance``, but no less than the child costs: the first move is kept."""
        return max(super().due(process), log(process.cost))


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
        return log(cost / bounds.cost(_edited(process, decision), measure))

    def loss(decision: Decision) -> float:
        name, target = decision
        return transformation(name).lost(process.child, target, process.space, state.statistics)

    choices = [decision for decision in process.choices() if decision != WAIT]
    enough = [decision for decision in choices if 0 < saved(decision) >= share]
    if enough:
        return min(enough, key=lambda decision: (loss(decision) / saved(decision), -saved(decision)))
    return max(choices, key=saved, default=WAIT)


def _edited(process: GrowthProcess, decision: Decision) -> Architecture:
    """Return the architecture after a decision."""
    edit = transformation(decision.name).edit
    return edit(process.state.architecture, decision.target, process.space)


RULES: dict[str, Callable[..., Controller]] = {
    "wait": Wait,
    "random": Random,
    "threshold": Threshold,
    "widen": Widen,
    "pace": Pace,
    "balance": Balance,
    "first_move": FirstMove,
    "compress": Wait,  # all rules shrink a child that is beyond its budget
    "static": Wait,
}
"""By name; a colon in front of each argument, as in ``pace:0.5:0.3``. All take numbers."""
GROWING_RULES = ("wait", "random", "threshold", "widen", "pace", "balance", "first_move")
"""The rules that a learned policy is compared with when it has been trained."""


def is_rule(name: str) -> bool:
    """Return whether a controller's name is that of a rule, with arguments or without."""
    return name.partition(":")[0] in RULES


def make_rule(name: str) -> Controller:
    """Return the rule of that name, with the arguments that follow its colons, or the user's own controller
    at that import path.

    Raises:
        InvalidController: if there is none, or it does not take them.
    """
    if not is_rule(name) and is_path(name):
        return own_controller(load_object(name, "controller"), name)
    if not is_rule(name):
        raise InvalidController(unknown_name("rule", name, RULES))
    word, *arguments = name.split(":")
    try:
        return RULES[word](*map(float, arguments))
    except (TypeError, ValueError) as error:
        raise InvalidController(
            f"rule {word} does not take {':'.join(arguments)!r}: expected {word}, or with numbers as in "
            "pace:0.12:0.4 or threshold:0.9"
        ) from error
