"""Blocks and links: new ones, other kernels and activations, and their removal."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from torch import Tensor, nn

from mse_rl.networks import Child
from mse_rl.networks.mlp import Head
from mse_rl.spec import ENTRY, FAMILIES, KINDS, Architecture, Block, Link, Position, SearchSpace
from mse_rl.transformations.base import (
    Axis,
    BlockTransformation,
    Origins,
    Shrinking,
    Target,
    Transformation,
    at_block,
    at_pair,
)
from mse_rl.transformations.statistics import ChildStatistics, link_importance, unit_importance


class Deepen(Transformation):
    """Insert a block of one kind after the target, an entry or a block.

    It has as many units as its stream is wide, and kernel and activation of a block that it follows where
    both kinds have them. Its last map is zero at initialization, so x + f(x) = x.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.name = f"deepen_{kind}"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every entry and block of a family that has the kind."""
        if self.kind in FAMILIES[architecture.family].kinds:
            yield from architecture.sites

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the new block."""
        position = at_block(target)
        width = architecture.stages[position.stage].width
        like = None if position.block == ENTRY else architecture.block(position)
        new = self._block(like, width, space)
        return architecture.inserting(position._replace(block=position.block + 1), new)

    def _block(self, like: Block | None, width: int, space: SearchSpace) -> Block:
        kind, before = KINDS[self.kind], KINDS[like.kind] if like else None
        head = space.head_width if kind.heads else 1
        kernel = like.kernel if like and before and before.kernels else 3
        activation = like.activation if like and before and before.activations else kind.activation
        return Block(
            kind=self.kind,
            inner=max(head, width // head * head),
            kernel=kernel if kind.kernels else 1,
            activation=activation if kind.activations else "none",
            head_width=head,
        )

    def origins(self, before: Architecture, target: Target) -> Origins:
        """The blocks behind the new one move on by one."""
        position = at_block(target)
        new = position._replace(block=position.block + 1)
        return {new: None} | {old.pushed(new): old for old, _ in before}


class RemoveBlock(Shrinking, BlockTransformation):
    """Remove a block, with its links. The mean of what it added goes into a bias nearby."""

    name = "remove_block"

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture without the block."""
        return architecture.removing(at_block(target))

    def origins(self, before: Architecture, target: Target) -> Origins:
        """The blocks behind it move up by one."""
        gone = at_block(target)
        return {old.pulled(gone): old for old, _ in before if old != gone}

    def fold_(self, child: Child, target: Target, axis: Axis | None, statistics: ChildStatistics) -> None:
        """Fold the mean into what writes to the stream ahead of it. Where nothing has a bias, the
        block behind it takes it, or what reads the stream as it leaves the stage takes it over.
        """
        gone = at_block(target)
        if gone not in statistics.blocks:
            return
        update = next(child.parameters()).new_tensor(statistics.blocks[gone].update)
        if (bias := _bias_nearby(child, gone)) is not None:
            bias += update
        elif not isinstance(reader := child.exit(gone.stage), Head):  # one with a norm reads something else
            reader.fold_stream_(update)  # type: ignore[operator]

    def lost(self, child: Child, target: Target, space: SearchSpace, statistics: ChildStatistics) -> float:
        """Return the importance of all its units."""
        return unit_importance(child, at_block(target), statistics).sum().item()


def _bias_nearby(child: Child, gone: Position) -> Tensor | None:
    """Return a bias that is added to the same stream, of the block or entry ahead or the block behind."""
    ahead, behind = gone._replace(block=gone.block - 1), gone._replace(block=gone.block + 1)
    if gone.block:
        writer: nn.Module = child.block(ahead).last
    else:
        writer = child.transitions[gone.stage - 1] if gone.stage else child.stem
    if not isinstance(getattr(writer, "bias", None), Tensor) and child.architecture.has(behind):
        writer = child.block(behind).last
    bias = getattr(writer, "bias", None)
    return bias if isinstance(bias, Tensor) else None


class GrowKernel(Transformation):
    """Give a block's kernels a margin of one pixel or step; its weights are zero."""

    name = "grow_kernel"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block that has kernels."""
        for position, block in architecture:
            if KINDS[block.kind].kernels:
                yield position

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture with the larger kernel."""
        position = at_block(target)
        return architecture.with_block(position, kernel=architecture.block(position).kernel + 2)


class ChangeActivation(Transformation):
    """Fade a block's non-linearity over to another: (1 - α)·old + α·new.

    α is 0 at the moment of the edit and rises to 1 over the next slice.
    """

    def __init__(self, activation: str) -> None:
        self.activation = activation
        self.name = f"activation_{activation}"

    def targets(self, architecture: Architecture) -> Iterator[Target]:
        """Yield every block that has another non-linearity, and is not fading already."""
        for position, block in architecture:
            if KINDS[block.kind].activations and block.activation != self.activation and block.fading is None:
                yield position

    def edit(self, architecture: Architecture, target: Target, space: SearchSpace) -> Architecture:
        """Return the architecture in which the block begins to fade."""
        position = at_block(target)
        old = architecture.block(position).activation
        return architecture.with_block(position, activation=self.activation, fading=old)


class AddLink(Transformation):
    """Add a projection of the stream behind an entry or a block to the stream ahead of a later block.

    The projection is zero at initialization; across stages it is strided as the resolution asks.
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


class Unlink(Shrinking):
    """Remove a link. What it carried is lost: the output change is in the receipt."""

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
