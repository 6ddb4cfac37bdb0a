"""One connection less."""

from collections.abc import Iterator
from dataclasses import replace

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Shrinking, Target, at_pair
from mse_rl.transformations.statistics import ChildStatistics, link_importance


class Unlink(Shrinking):
    """Remove a link. What it carried is lost: the deviation is in the receipt."""

    name = "unlink"
    scope = "pair"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every link."""
        yield from architecture.links

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture without the link."""
        gone = at_pair(target)
        return replace(architecture, links=tuple(link for link in architecture.links if link != gone))

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of what the link carries."""
        return link_importance(child, at_pair(target), statistics)
