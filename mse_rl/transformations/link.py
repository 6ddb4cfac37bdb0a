"""A new connection from an entry or a block to a later block."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from mse_rl.architecture import ENTRY, Architecture, Link
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Target, Transformation, at_pair


class AddLink(Transformation):
    """Add a projection of the stream behind an entry or a block to the stream ahead of a later block.

    The projection is zero at birth; across stages it is strided as the resolution asks.
    """

    name = "link"
    scope = "pair"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every entry or block with every later block, where they are not linked."""
        for pair in combinations(architecture.sites, 2):
            if (link := Link(*pair)) not in architecture.links and link.target.block != ENTRY:
                yield link

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the link."""
        links = tuple(sorted({*architecture.links, at_pair(target)}))
        return replace(architecture, links=links)
