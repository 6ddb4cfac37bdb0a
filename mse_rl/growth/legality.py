"""Which transformations may be applied: known from the pure edit, before any weight moves."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import inf

from mse_rl.config.training import GrowthConfig
from mse_rl.costs import cost, training_bytes
from mse_rl.costs.measures import FIRST_COST, BudgetConfig, Meter, measure_of
from mse_rl.errors import InvalidTransformation
from mse_rl.growth.state import GrowthState
from mse_rl.plugins import in_short
from mse_rl.spec import Architecture, SearchSpace
from mse_rl.transformations import WAIT, Decision, Target, operations, require_target, transformation


@dataclass(frozen=True)
class Bounds:
    """What a child has to keep to.

    Args:
        space: the bounds of growth.
        budget: bounds its costs, and says which cost is priced.
        meter: measures latencies.
        memory_budget: maximum bytes that training may take; None for no bound.
        batch_size: samples in a training step.
        vocabulary: names of the transformations that may be used, beside ``wait``, in their order.
    """

    space: SearchSpace
    budget: BudgetConfig
    meter: Meter
    memory_budget: int | None
    batch_size: int
    vocabulary: tuple[str, ...]

    def fit(self, architecture: Architecture) -> bool:
        """Return whether a child is within the budgets."""
        memory = self.memory_budget
        return (memory is None or training_bytes(architecture, self.batch_size) <= memory) and all(
            self.cost(architecture, measure) <= most for measure, most in self.budget.most.items()
        )

    def cost(self, architecture: Architecture, measure: str | None = None) -> float:
        """Return the cost of a child, in that measure or in the one that is priced."""
        return measure_of(measure or self.budget.cost).cost(architecture, self.meter)

    def exceeded(self, architecture: Architecture) -> tuple[str, ...]:
        """Return the measures in which a child costs more than its budget."""
        return tuple(
            measure for measure, most in self.budget.most.items() if self.cost(architecture, measure) > most
        )

    def excess(self, architecture: Architecture) -> str:
        """Write by how much a child is beyond its budgets, but for that of memory."""
        return "".join(
            f", {measure_of(name).shown(self.cost(architecture, name))} of "
            f"{measure_of(name).shown(self.budget.most[name])}"
            for name in self.exceeded(architecture)
        )

    def tightest(self, architecture: Architecture) -> str:
        """Return the measure in which a child fills most of its budget, or exceeds it most."""
        most = self.budget.most
        return max(most, key=lambda measure: self.cost(architecture, measure) / most[measure])

    def smallest(self, architecture: Architecture, measure: str) -> Architecture:
        """Return the child of least cost that an architecture can shrink to, whatever becomes of its skill.

        Blocks go last: which of them is the cheapest to keep shows when all are as narrow as can be.
        """

        def guide(child: Architecture) -> float:
            return measure_of(measure).guide(child, self.meter)

        while True:
            edits = [
                edit
                for shrinking in map(transformation, self.vocabulary)
                if not shrinking.preserving
                for target in shrinking.targets(architecture)
                if guide(edit := shrinking.edit(architecture, target, self.space)) < guide(architecture)
            ]
            if not edits:
                return architecture
            if narrower := [edit for edit in edits if edit.depth == architecture.depth]:
                architecture = min(narrower, key=guide)
            else:
                architecture = min(edits, key=lambda edit: self.cost(edit, measure))

    def choices(self, state: GrowthState, most_flops: float = inf) -> Iterator[Decision]:
        """Yield every legal (transformation, target).

        ``wait`` comes first. A child beyond its budgets has to shrink: until it fits, only what takes
        away from its cost is legal, and ``wait`` only where there is no such thing.

        Args:
            state: of the growth.
            most_flops: of a child that the schedule still pays the next slice for; shrinking
                transformations are legal beyond it.
        """
        affordable = max(most_flops, state.flops)
        changes = [
            decision
            for decision, flops in (() if state.stopped else _changes(self, state.architecture))
            if decision not in state.rejected and flops <= affordable
        ]
        if not changes or self.fit(state.architecture):
            yield WAIT
        yield from changes

    def permitted(self, before: Architecture, name: str, target: Target) -> Architecture | None:
        """Return what a transformation other than ``wait`` gives at one of its targets; None if it must
        not.
        """
        change = transformation(name)
        after = change.edit(before, target, self.space)
        if not isinstance(after, Architecture):
            raise InvalidTransformation(
                f"expected edit of {name} to return an Architecture, got {in_short(after)}"
            )
        if change.ends_growth:
            allowed = self.fit(before)
        elif after == before or not self.space.allows(after):
            allowed = False
        else:
            allowed = self.fit(after) or (not self.fit(before) and self._shrinks(before, after))
        return after if allowed else None

    def _shrinks(self, before: Architecture, after: Architecture) -> bool:
        """Return whether an edit takes away from every cost that is beyond its budget, by its closed form.

        Memory has that of FLOPs.
        """
        guides = [measure_of(measure).guide for measure in self.exceeded(before) or (FIRST_COST,)]
        return all(guide(after, self.meter) < guide(before, self.meter) for guide in guides)


def bounds_of(config: GrowthConfig, space: SearchSpace, budget: BudgetConfig, meter: Meter) -> Bounds:
    """Return the bounds of the children of a schedule.

    Raises:
        InvalidConfig: if a transformation that may be used is unknown.
    """
    names, known = config.transformations, operations(config.transformations)
    vocabulary = known if names is None else tuple(name for name in known if name in names)
    return Bounds(space, budget, meter, config.memory_budget, config.batch_size, vocabulary)


def _targets(name: str, architecture: Architecture) -> list[Target]:
    """Return the targets of a transformation, which may be a user's own.

    Raises:
        InvalidTransformation: if they are none, or not what its scope asks for.
    """
    change = transformation(name)
    found = change.targets(architecture)
    if not isinstance(found, Iterable):
        raise InvalidTransformation(f"expected targets of {name} to return several, got {in_short(found)}")
    targets = list(found)
    for target in targets:
        require_target(target, change.scope)
    return targets


@lru_cache(maxsize=512)
def _changes(bounds: Bounds, architecture: Architecture) -> tuple[tuple[Decision, int], ...]:
    """Return the legal decisions for an architecture, with the FLOPs after each.

    Episodes of a group meet the same architectures again and again.
    """
    return tuple(
        (Decision(name, target), cost(after).flops)
        for name in bounds.vocabulary
        if not transformation(name).changes_nothing
        for target in _targets(name, architecture)
        if (after := bounds.permitted(architecture, name, target)) is not None
    )
