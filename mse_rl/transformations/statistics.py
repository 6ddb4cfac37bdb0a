"""Statistics of a slice of training: how much each part of a child matters."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from mse_rl.networks import Child
from mse_rl.networks.parts import ResidualBlock
from mse_rl.spec import Link, Position


@dataclass(frozen=True)
class InputStatistics:
    """What a map has read.

    Args:
        importance: for each input, (Σ w·∂L/∂w)² over the weights that read it, averaged over batches:
            by how much the loss would change without it, to first order, squared (Molchanov et al.,
            2019, https://arxiv.org/abs/1906.10771).
        mean: for each input, its mean over samples and positions.
    """

    importance: tuple[float, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True)
class BlockStatistics:
    """What a block did in the last slice.

    Args:
        gradient_norm: Euclidean norm of its gradients at the last step.
        growth_score: gradient norm over weight norm: how much the loss asks it to change.
        dead_fraction: share of units that were zero in every sample that was looked at.
        stream: what its first map has read.
        units: what its last map has read.
        update: (width,) mean of what it adds to the stream.
    """

    gradient_norm: float
    growth_score: float
    dead_fraction: float
    stream: InputStatistics
    units: InputStatistics
    update: tuple[float, ...]

    @property
    def importance(self) -> float:
        """The importance of all its units together."""
        return sum(self.units.importance)


@dataclass(frozen=True)
class ChildStatistics:
    """Statistics of a slice of training.

    Args:
        blocks: by position; empty before the first slice.
        exits: by stage, what its transition or the head has read; empty before the first slice.
        links: what each has read; empty before the first slice.
    """

    blocks: dict[Position, BlockStatistics] = field(default_factory=dict)
    exits: dict[int, InputStatistics] = field(default_factory=dict)
    links: dict[Link, InputStatistics] = field(default_factory=dict)


def unit_importance(child: Child, position: Position, statistics: ChildStatistics) -> Tensor:
    """Return the importance (inner,) of a block's units; by their weights where nothing was seen yet."""
    seen = statistics.blocks.get(position)
    return _importance(seen.units if seen else None, child.block(position).unit_readers)


def stream_importance(child: Child, stage: int, statistics: ChildStatistics) -> Tensor:
    """Return the importance (width,) of a stage's dimensions, over all that read them."""
    readings = [
        _importance(seen.stream if (seen := statistics.blocks.get(position)) else None, block.stream_readers)
        for position, block in child.blocks()
        if position.stage == stage
    ]
    readings.append(_importance(statistics.exits.get(stage), (child.leaving(stage).weight,)))
    readings += [
        _link_importance(child, link, statistics)
        for link in child.architecture.links
        if link.source.stage == stage
    ]
    return torch.stack(readings).sum(dim=0)


def link_importance(child: Child, link: Link, statistics: ChildStatistics) -> float:
    """Return the importance of all that a link carries; by its weights where nothing was seen yet."""
    return _link_importance(child, link, statistics).sum().item()


def _link_importance(child: Child, link: Link, statistics: ChildStatistics) -> Tensor:
    return _importance(statistics.links.get(link), (child.link(link).weight,))


def unit_means(block: ResidualBlock, seen: BlockStatistics | None) -> Tensor:
    """Return the means (inner,) of a block's units; zero where nothing was seen yet."""
    weight = block.unit_readers[-1]
    return weight.new_zeros(weight.shape[1]) if seen is None else weight.new_tensor(seen.units.mean)


def stream_means(block: ResidualBlock, seen: BlockStatistics | None) -> Tensor:
    """Return the means (width,) of what a block reads; zero where nothing was seen yet."""
    weight = block.stream_readers[0]
    return weight.new_zeros(weight.shape[1]) if seen is None else weight.new_tensor(seen.stream.mean)


def _importance(seen: InputStatistics | None, readers: tuple[Tensor, ...]) -> Tensor:
    return _magnitude(readers) if seen is None else torch.tensor(seen.importance, dtype=torch.float64)


def _magnitude(readers: tuple[Tensor, ...]) -> Tensor:
    """Return the squared norm of the weights that read each input."""
    return (
        torch.stack([reader.detach().square().transpose(0, 1).flatten(1).sum(1) for reader in readers])
        .sum(0, dtype=torch.float64)
        .cpu()
    )
