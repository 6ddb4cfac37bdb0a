"""The data that describes a child: frozen, hashable, JSON in and out. No torch here.

A child is a residual stream (He et al., 2016, https://arxiv.org/abs/1603.05027). The entry of the first
stage, the stem, makes a stream of some width from the input. Residual blocks read the stream and add to it.
The entry of each later stage, a transition, makes its stream from the one before. A head reads the last one.
Links add what the stream held behind an entry or a block to what it holds ahead of a later block.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from typing import Any, NamedTuple

from mse_rl.errors import InvalidArchitecture, brief
from mse_rl.plain import from_plain, parse_json, to_plain

FORMAT = 4
"""Version of the JSON layout."""
ALL_RELU = 3
"""The version before it, in which the entry of every stage had the same activation. It is read as well."""
LARGEST = 2**24
"""The largest size of anything in an architecture: files may come from strangers."""
MOST_PARTS = 2_048
"""Most stages, blocks and links of an architecture, together."""
PADDING, UNKNOWN = 0, 1
"""Token ids that stand for no token, and for one that is not in the vocabulary."""
ENTRY = -1
"""Stands for the entry of a stage, where a position has the index of a block."""


class Position(NamedTuple):
    """Where a block stands: the index of its stage, and its index in that stage; or ENTRY."""

    stage: int
    block: int

    def pushed(self, inserted: "Position") -> "Position":
        """Return where a block stands after one has been inserted at ``inserted``."""
        moves = self.stage == inserted.stage and self.block >= inserted.block
        return self._replace(block=self.block + moves)

    def pulled(self, removed: "Position") -> "Position":
        """Return where a block stands after the one at ``removed`` has been removed."""
        moves = self.stage == removed.stage and self.block > removed.block
        return self._replace(block=self.block - moves)


class Link(NamedTuple):
    """A connection: the stream behind ``source`` is projected and added to the stream ahead of ``target``.

    The source may be an entry, the target is a block.
    """

    source: Position
    target: Position


@dataclass(frozen=True)
class Inputs:
    """What a child reads and predicts.

    Args:
        shape: of one sample.
        vocabulary: number of token ids; 0 where inputs are no tokens.
        classes: number of classes.
    """

    shape: tuple[int, ...]
    vocabulary: int
    classes: int

    @property
    def kind(self) -> str:
        """The kind of one sample: image, sequence, vector or tokens."""
        return "tokens" if self.vocabulary else {1: "vector", 2: "sequence", 3: "image"}[len(self.shape)]


@dataclass(frozen=True)
class Block:
    """One residual block, ``x + f(x)``.

    Args:
        kind: what f is made of, for example ``"conv"``.
        inner: number of units inside f.
        kernel: side of the convolution kernels in pixels or steps, odd; 1 where there are none.
        activation: name of the non-linearity; ``"none"`` where the kind has its own.
        head_width: units of an attention head, a divisor of ``inner``; 1 where there are none.
        fading: non-linearity that ``activation`` is taking over from; None once it has.
    """

    kind: str
    inner: int
    kernel: int = 1
    activation: str = "relu"
    head_width: int = 1
    fading: str | None = None


@dataclass(frozen=True)
class Stage:
    """Blocks that share one stream.

    Args:
        width: number of channels or features of the stream.
        blocks: from input to output; there may be none.
        stride: by how much a convolutional entry divides each side of an image, or the steps of a sequence;
            of a transformer's stem, the side of a patch. Other entries ignore it.
        activation: non-linearity of a convolutional entry. Other entries ignore it.
    """

    width: int
    blocks: tuple[Block, ...] = ()
    stride: int = 1
    activation: str = "relu"


@dataclass(frozen=True)
class Architecture:
    """Everything that is needed to build a child, and nothing else.

    Args:
        family: a key of ``mse_rl.spec.FAMILIES``.
        input_shape: of one sample: image (C, H, W), sequence (T, F), vector (F,) or tokens (T,).
        classes: number of classes K.
        stages: at least one stage, from input to output.
        vocabulary: number of token ids, padding and unknown among them; 0 where inputs are no tokens.
        links: in ascending order, without repetition.

    Raises:
        InvalidArchitecture: if a number is not positive, a part is missing, or a link leads nowhere.
    """

    family: str
    input_shape: tuple[int, ...]
    classes: int
    stages: tuple[Stage, ...]
    vocabulary: int = 0
    links: tuple[Link, ...] = ()

    def __post_init__(self) -> None:
        if not self.stages:
            raise InvalidArchitecture("an architecture needs at least one stage")
        if not self.input_shape or self.classes < 2:
            raise InvalidArchitecture(
                f"expected an input shape and at least 2 classes, got {self.input_shape} and {self.classes}"
            )
        sizes = [*self.input_shape, *(size for stage in self.stages for size in (stage.width, stage.stride))]
        sizes += [size for block in self.blocks for size in (block.inner, block.kernel, block.head_width)]
        if min(sizes) < 1 or max(*sizes, self.vocabulary, self.classes) > LARGEST:
            raise InvalidArchitecture(
                f"every size must lie between 1 and {LARGEST:,}, got {min(sizes):,} to {max(sizes):,}"
            )
        if (parts := len(self.stages) + self.depth + len(self.links)) > MOST_PARTS:
            raise InvalidArchitecture(
                f"expected at most {MOST_PARTS:,} stages, blocks and links, got {parts:,}"
            )
        if len(self.input_shape) > 3:
            raise InvalidArchitecture(f"expected inputs of 1 to 3 dimensions, got {self.input_shape}")
        if self.vocabulary and (self.vocabulary <= UNKNOWN or len(self.input_shape) != 1):
            raise InvalidArchitecture(
                f"tokens need an input shape (T,) and a vocabulary of at least 2 ids, got {self.input_shape} "
                f"and {self.vocabulary}"
            )
        self._check_blocks()
        self._check_links()

    def _check_blocks(self) -> None:
        for block in self.blocks:
            if block.kernel % 2 == 0:
                raise InvalidArchitecture("kernels must be odd, so that a convolution keeps the resolution")
            if block.inner % block.head_width:
                raise InvalidArchitecture(
                    f"expected whole heads of {block.head_width} units, got {block.inner} units in "
                    f"{brief(block)}"
                )

    def _check_links(self) -> None:
        if list(self.links) != sorted(set(self.links)):
            raise InvalidArchitecture("links must be in ascending order, without repetition")
        for link in self.links:
            targets_block = self.has(link.target) and link.target.block != ENTRY
            if not (self.has(link.source) and targets_block and link.source < link.target):
                ends = tuple(map(tuple, link))
                raise InvalidArchitecture(f"a link must lead to a later block, got {ends}")

    def __iter__(self) -> Iterator[tuple[Position, Block]]:
        """Yield every block with its position, from input to output."""
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage.blocks):
                yield Position(s, b), block

    @property
    def inputs(self) -> Inputs:
        """What a child reads and predicts."""
        return Inputs(self.input_shape, self.vocabulary, self.classes)

    @property
    def sites(self) -> list[Position]:
        """The positions of all entries and blocks, from input to output."""
        return [
            Position(s, b) for s, stage in enumerate(self.stages) for b in range(ENTRY, len(stage.blocks))
        ]

    @property
    def blocks(self) -> list[Block]:
        """Every block, from input to output."""
        return [block for stage in self.stages for block in stage.blocks]

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return sum(len(stage.blocks) for stage in self.stages)

    @property
    def widest(self) -> int:
        """The largest width of a stream, or number of units inside a block."""
        return max([stage.width for stage in self.stages] + [block.inner for block in self.blocks])

    @property
    def input_size(self) -> int:
        """Number of values in one sample."""
        return prod(self.input_shape)

    def has(self, position: Position) -> bool:
        """Return whether there is an entry or a block at ``position``."""
        stages = self.stages
        return 0 <= position.stage < len(stages) and (
            ENTRY <= position.block < len(stages[position.stage].blocks)
        )

    def block(self, position: Position) -> Block:
        """Return the block at ``position``, which must not be an entry."""
        assert position.block != ENTRY
        return self.stages[position.stage].blocks[position.block]

    def with_stage(self, index: int, **changes: Any) -> "Architecture":
        """Return a copy in which stage ``index`` has the given fields."""
        return self._with(index, replace(self.stages[index], **changes), self.links)

    def with_block(self, position: Position, **changes: Any) -> "Architecture":
        """Return a copy in which the block at ``position`` has the given fields."""
        blocks = list(self.stages[position.stage].blocks)
        blocks[position.block] = replace(blocks[position.block], **changes)
        return self.with_stage(position.stage, blocks=tuple(blocks))

    def inserting(self, position: Position, block: Block) -> "Architecture":
        """Return a copy with a new block at ``position``; those behind it move on, with their links."""
        stage = self.stages[position.stage]
        blocks = (*stage.blocks[: position.block], block, *stage.blocks[position.block :])
        links = tuple(Link(*(end.pushed(position) for end in link)) for link in self.links)
        return self._with(position.stage, Stage(stage.width, blocks, stage.stride, stage.activation), links)

    def removing(self, position: Position) -> "Architecture":
        """Return a copy without the block at ``position`` and its links; those behind it move up."""
        stage = self.stages[position.stage]
        blocks = (*stage.blocks[: position.block], *stage.blocks[position.block + 1 :])
        links = tuple(
            Link(*(end.pulled(position) for end in link)) for link in self.links if position not in link
        )
        return self._with(position.stage, Stage(stage.width, blocks, stage.stride, stage.activation), links)

    def settled(self) -> "Architecture":
        """Return a copy in which every non-linearity has taken over from the one before it."""
        fading = [position for position, block in self if block.fading is not None]
        return reduce(lambda copy, position: copy.with_block(position, fading=None), fading, self)

    def _with(self, index: int, stage: Stage, links: tuple[Link, ...]) -> "Architecture":
        """Return a copy with another stage and other links.

        ``replace`` takes longer than all checks, and what is legal is known from dozens of copies.
        """
        return Architecture(
            self.family,
            self.input_shape,
            self.classes,
            (*self.stages[:index], stage, *self.stages[index + 1 :]),
            self.vocabulary,
            links,
        )

    def to_json(self) -> str:
        """Return the architecture as JSON text."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, indent=1)

    @staticmethod
    def from_json(text: str) -> "Architecture":
        """Build an architecture from what ``to_json`` wrote.

        Raises:
            InvalidArchitecture: if the text is no JSON, of another format, or lacks a field.
        """
        try:
            return Architecture.of_plain(parse_json(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArchitecture(f"expected an architecture in JSON, got: {brief(error)}") from error

    @staticmethod
    def of_plain(data: Any) -> "Architecture":
        """Build an architecture from the value of such JSON.

        Raises:
            InvalidArchitecture: if it is of another format, or describes no child.
            ValueError, TypeError, KeyError, AttributeError: if it is something else.
        """
        fields = dict(data)
        number = fields.pop("format")
        if number == ALL_RELU:
            fields["stages"] = [{**stage, "activation": "relu"} for stage in fields["stages"]]
        elif number != FORMAT:
            raise InvalidArchitecture(
                f"expected an architecture of format {ALL_RELU} or {FORMAT}, got {brief(number, 20)}"
            )
        architecture: Architecture = from_plain(Architecture, fields)
        return architecture
