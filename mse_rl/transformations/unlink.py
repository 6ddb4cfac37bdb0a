"""One connection less."""

from collections.abc import Iterator
from dataclasses import replace

from mse_rl.architecture import Architecture
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Target, Transformation, at_pair
from mse_rl.transformations.statistics import ChildStatistics


class Unlink(Transformation):
    """Remove a link. What it carried is lost: the deviation is in the receipt."""

    name = "unlink"
    scope = "pair"
    preserving = False

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every link."""
        yield from architecture.links

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture without the link."""
        gone = at_pair(target)
        return replace(architecture, links=tuple(link for link in architecture.links if link != gone))

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the squared norm of the link's weights: its gradients are not recorded."""
        index = child.architecture.links.index(at_pair(target))
        return sum(weight.square().sum().item() for weight in child.links[index].parameters())
