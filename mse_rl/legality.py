"""Which transformations may be applied: known from the pure edit, before any weight moves."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mse_rl.architecture import Architecture
from mse_rl.cost import cost, training_bytes
from mse_rl.growth_state import GrowthState
from mse_rl.search_space import SearchSpace
from mse_rl.transformations import TRANSFORMATIONS, Target


@dataclass(frozen=True)
class Bounds:
    """What a child has to keep to.

    Args:
        space: the bounds of growth.
        flops_budget: most FLOPs of a forward pass of one sample.
        memory_budget: most bytes that training may take; None for no bound.
        batch_size: samples in a training step.
        vocabulary: names of the transformations that may be used, beside ``wait``.
    """

    space: SearchSpace
    flops_budget: int
    memory_budget: int | None
    batch_size: int
    vocabulary: frozenset[str]

    def fit(self, architecture: Architecture) -> bool:
        """Say whether a child is within the budgets."""
        memory = self.memory_budget
        return cost(architecture).flops <= self.flops_budget and (
            memory is None or training_bytes(architecture, self.batch_size) <= memory
        )

    def smallest(self, architecture: Architecture) -> Architecture:
        """Return the smallest child that an architecture can shrink to, whatever becomes of its skill.

        Blocks go last: which of them is the cheapest to keep shows when all are as narrow as can be.
        """
        while True:
            edits = [
                edit
                for name, transformation in TRANSFORMATIONS.items()
                if name in self.vocabulary and not transformation.preserving
                for target in transformation.targets(architecture)
                if cost(edit := transformation.edit(architecture, target, self.space)).flops
                < cost(architecture).flops
            ]
            if not edits:
                return architecture
            architecture = min(edits, key=lambda edit: (-edit.depth, cost(edit).flops))

    def choices(self, state: GrowthState) -> Iterator[tuple[str, Target]]:
        """Yield every legal (transformation, target).

        ``wait`` comes first. A child beyond its budgets has to shrink: until it fits, only what takes
        FLOPs away is legal, and ``wait`` only where there is no such thing.
        """
        changes = [
            decision
            for decision in (() if state.stopped else _changes(self, state.architecture))
            if decision not in state.rejected
        ]
        if not changes or self.fit(state.architecture):
            yield "wait", None
        yield from changes

    def permit(self, before: Architecture, name: str, target: Target) -> bool:
        """Say whether a transformation other than ``wait`` may be applied at one of its targets."""
        if name == "stop":
            return self.fit(before)
        after = TRANSFORMATIONS[name].edit(before, target, self.space)
        if after == before or not self.space.allows(after):
            return False
        return self.fit(after) or (not self.fit(before) and cost(after).flops < cost(before).flops)


@lru_cache(maxsize=4096)
def _changes(bounds: Bounds, architecture: Architecture) -> tuple[tuple[str, Target], ...]:
    """Return what may be done to an architecture; episodes of a group meet the same ones again and again."""
    return tuple(
        (name, target)
        for name in TRANSFORMATIONS
        if name in bounds.vocabulary and name != "wait"
        for target in TRANSFORMATIONS[name].targets(architecture)
        if bounds.permit(architecture, name, target)
    )
