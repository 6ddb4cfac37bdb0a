"""A new residual block."""

from collections.abc import Iterator

from mse_rl.architecture import ENTRY, Architecture, Block, pushed
from mse_rl.families import FAMILIES, KINDS
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Origins, Target, Transformation, at_block


class Deepen(Transformation):
    """Insert a block of one kind after the target, an entry or a block.

    It has as many units as its stream is wide, and kernel and activation of a block that it follows where
    both kinds have them. Its last map is zero at birth, so x + f(x) = x.
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
        """Say that the blocks behind the new one have moved on by one."""
        position = at_block(target)
        new = position._replace(block=position.block + 1)
        return {new: None} | {pushed(old, new): old for old, _ in before}
