"""The data that describes a child: frozen, hashable, JSON in and out. No torch here.

A child is a residual stream (He et al., 2016, https://arxiv.org/abs/1603.05027): a stem writes to a
stream of some width, stages of residual blocks read from it and add to it, a head reads it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from math import prod
from typing import Any, NamedTuple

from mse_rl.errors import InvalidArchitecture

FORMAT = 1
"""Version of the JSON layout."""


class Position(NamedTuple):
    """Where a block stands: the index of its stage, and its index in that stage."""

    stage: int
    block: int


@dataclass(frozen=True)
class Block:
    """One residual block, ``x + f(x)``.

    Args:
        kind: what f is made of, for example ``"conv"``.
        inner: number of units inside f.
        kernel: side of the convolution kernels in pixels, odd; 1 where there are none.
        activation: name of the non-linearity.
    """

    kind: str
    inner: int
    kernel: int = 1
    activation: str = "relu"


@dataclass(frozen=True)
class Stage:
    """Blocks that share one stream.

    Args:
        width: number of channels or features of the stream.
        blocks: at least one block.
    """

    width: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Architecture:
    """Everything that is needed to build a child, and nothing else.

    Args:
        family: ``"cnn"`` or ``"mlp"``.
        input_shape: shape of one sample, for example (C, H, W).
        classes: number of classes K.
        stages: at least one stage, from input to output.
        stem_stride: pixels between two outputs of the stem.

    Raises:
        InvalidArchitecture: if a number is not positive or a part is missing.
    """

    family: str
    input_shape: tuple[int, ...]
    classes: int
    stages: tuple[Stage, ...]
    stem_stride: int = 1

    def __post_init__(self) -> None:
        if not self.stages or any(not stage.blocks for stage in self.stages):
            raise InvalidArchitecture("an architecture needs at least one stage, and a stage one block")
        if not self.input_shape or self.classes < 2:
            raise InvalidArchitecture(
                f"expected an input shape and at least 2 classes, got {self.input_shape} and {self.classes}"
            )
        sizes = [*self.input_shape, self.stem_stride, *(stage.width for stage in self.stages)]
        sizes += [size for _, block in self for size in (block.inner, block.kernel)]
        if min(sizes) < 1:
            raise InvalidArchitecture(f"every size must be at least 1, got {min(sizes)}")
        if any(block.kernel % 2 == 0 for _, block in self):
            raise InvalidArchitecture("kernels must be odd, so that a convolution keeps the resolution")

    def __iter__(self) -> Iterator[tuple[Position, Block]]:
        """Yield every block with its position, from input to output."""
        for s, stage in enumerate(self.stages):
            for b, block in enumerate(stage.blocks):
                yield Position(s, b), block

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return sum(len(stage.blocks) for stage in self.stages)

    @property
    def widest(self) -> int:
        """The widest stream, or the most units inside a block."""
        return max(*(stage.width for stage in self.stages), *(block.inner for _, block in self))

    @property
    def input_size(self) -> int:
        """Number of values in one sample."""
        return prod(self.input_shape)

    def block(self, position: Position) -> Block:
        """Return the block at ``position``."""
        return self.stages[position.stage].blocks[position.block]

    def with_stage(self, index: int, **changes: Any) -> "Architecture":
        """Return a copy in which stage ``index`` has the given fields."""
        stage = replace(self.stages[index], **changes)
        return replace(self, stages=(*self.stages[:index], stage, *self.stages[index + 1 :]))

    def with_block(self, position: Position, **changes: Any) -> "Architecture":
        """Return a copy in which the block at ``position`` has the given fields."""
        blocks = list(self.stages[position.stage].blocks)
        blocks[position.block] = replace(blocks[position.block], **changes)
        return self.with_stage(position.stage, blocks=tuple(blocks))

    def to_json(self) -> str:
        """Return the architecture as JSON text."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @staticmethod
    def from_json(text: str) -> "Architecture":
        """Build an architecture from what ``to_json`` wrote.

        Raises:
            InvalidArchitecture: if the text is no JSON, of another format, or lacks a field.
        """
        try:
            data = json.loads(text)
            if data.pop("format") != FORMAT:
                raise InvalidArchitecture(f"expected an architecture of format {FORMAT}")
            stages = tuple(
                Stage(_integer(stage["width"]), tuple(_block(block) for block in stage["blocks"]))
                for stage in data.pop("stages")
            )
            shape = tuple(_integer(size) for size in data.pop("input_shape"))
            return Architecture(
                family=_text(data.pop("family")),
                input_shape=shape,
                classes=_integer(data.pop("classes")),
                stages=stages,
                stem_stride=_integer(data.pop("stem_stride")),
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InvalidArchitecture(f"expected an architecture in JSON, got: {error!r}") from error


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"expected a whole number, got {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, got {value!r}")
    return value


def _block(data: dict[str, Any]) -> Block:
    return Block(
        _text(data["kind"]), _integer(data["inner"]), _integer(data["kernel"]), _text(data["activation"])
    )
