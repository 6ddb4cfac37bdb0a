"""A new connection between two blocks."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from mse_rl.architecture import Architecture, Link
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Target, Transformation, at_pair


class AddLink(Transformation):
    """Add a projection of the stream behind a block to the stream ahead of a later one.

    The projection is zero at birth; across stages it is strided as the resolution asks.
    """

    name = "link"
    scope = "pair"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every pair of blocks that is not linked."""
        for pair in combinations([position for position, _ in architecture], 2):
            if (link := Link(*pair)) not in architecture.links:
                yield link

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the link."""
        links = tuple(sorted({*architecture.links, at_pair(target)}))
        return replace(architecture, links=links)
