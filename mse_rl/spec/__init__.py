"""What describes a child, and which children there may be: families, bounds, the first child. No torch here.

A new family is a file here with its lines in FAMILIES and KINDS, and one in ``mse_rl.networks`` that builds
it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, lcm

from mse_rl.errors import InvalidArchitecture, fit_types, unknown_name
from mse_rl.spec import cnn, mlp, rnn, transformer
from mse_rl.spec.architecture import (
    ENTRY,
    PADDING,
    UNKNOWN,
    Architecture,
    Block,
    Inputs,
    Link,
    Position,
    Stage,
)
from mse_rl.spec.family import ACTIVATIONS, Cost, Family, Kind, Recipe, Widths

__all__ = [
    "ACTIVATIONS",
    "ENTRY",
    "FAMILIES",
    "KINDS",
    "LONG_TEXT",
    "PADDING",
    "UNKNOWN",
    "Architecture",
    "Block",
    "Cost",
    "Family",
    "Inputs",
    "Kind",
    "Link",
    "Position",
    "Recipe",
    "SearchSpace",
    "Stage",
    "Widths",
    "first_family",
    "require_family",
    "require_readable",
    "starting_architecture",
]

FAMILIES: dict[str, Family] = {
    "cnn": cnn.CNN,
    "mlp": mlp.MLP,
    "rnn": rnn.RNN,
    "transformer": transformer.TRANSFORMER,
}
FIRST_FAMILIES = {"image": "cnn", "vector": "mlp", "sequence": "cnn", "tokens": "cnn"}
"""For each kind of input the family of children where none is named: what measured best
(docs/experiments.md)."""
LONG_TEXT = 64
"""Texts of more tokens are classified by an mlp: in them it matters which words occur, not in which order."""
KINDS: dict[str, Kind] = cnn.KINDS | mlp.KINDS | rnn.KINDS | transformer.KINDS


def first_family(inputs: Inputs) -> str:
    """Return the family of children for what the inputs are, where none is named."""
    long = inputs.kind == "tokens" and inputs.shape[0] > LONG_TEXT
    return "mlp" if long else FIRST_FAMILIES[inputs.kind]


@dataclass(frozen=True)
class SearchSpace:
    """Bounds of growth.

    Args:
        max_blocks: maximum number of blocks.
        max_stages: maximum number of stages.
        max_width: widest stream, and most units inside a block.
        max_kernel: largest kernel of a block, in pixels or steps a side.
        max_links: maximum number of links.
        quantum: widths grow to multiples of this; units of attention to whole heads.
        start_width: width of the first stream, and units inside each of its blocks; that of the family if not
            given.
        head_width: units of an attention head.
    """

    max_blocks: int = 12
    max_stages: int = 6
    max_width: int = 512
    max_kernel: int = 7
    max_links: int = 8
    quantum: int = 2
    start_width: int | None = None
    head_width: int = 4

    def __post_init__(self) -> None:
        fit_types(self)
        least = min(self.max_stages, self.max_width, self.max_kernel, self.quantum, self.head_width)
        if min(least, self.start_width or 1) < 1 or min(self.max_blocks, self.max_links) < 0:
            raise InvalidArchitecture(f"every bound of the search space must be at least 1, got {self}")

    @property
    def max_sites(self) -> int:
        """Maximum number of entries and blocks of a child: the rows of the observation."""
        return self.max_stages + self.max_blocks

    def starting_at(self, width: float) -> "SearchSpace":
        """Return the same with a width of the first child, in whole quanta, if none is given."""
        if self.start_width is not None:
            return self
        return replace(self, start_width=max(1, round(width / self.quantum)) * self.quantum)

    def widened(self, width: int, factor: float, unit: int = 1) -> int:
        """Return ``width`` times ``factor``, in whole quanta and ``unit``s, and larger than ``width``."""
        quantum = lcm(self.quantum, unit)
        return max(int(width * factor / quantum + 0.5), width // quantum + 1) * quantum

    def narrowed(self, width: int, factor: float, unit: int = 1) -> int:
        """Return ``width`` times ``factor``, in whole quanta and ``unit``s, and smaller than ``width``;
        ``width`` itself if there is none smaller.
        """
        quantum = lcm(self.quantum, unit)
        smaller = min(int(width * factor / quantum + 0.5), ceil(width / quantum) - 1) * quantum
        return max(smaller, quantum) if width > quantum else width

    def allows(self, architecture: Architecture) -> bool:
        """Return whether an architecture lies within the bounds."""
        return self.exceeded(architecture) is None

    def exceeded(self, architecture: Architecture) -> str | None:
        """Return the first bound that an architecture is beyond, None if it lies within all."""
        sizes = {
            "max_blocks": architecture.depth,
            "max_stages": len(architecture.stages),
            "max_width": architecture.widest,
            "max_links": len(architecture.links),
            "max_kernel": max([block.kernel for block in architecture.blocks], default=1),
        }
        return next((bound for bound, size in sizes.items() if size > getattr(self, bound)), None)


@lru_cache(maxsize=1024)
def starting_architecture(family: str, inputs: Inputs, space: SearchSpace) -> Architecture:
    """Return the first child of ``family`` that reads ``inputs``.

    Where the space gives no width, it has the family's, and no more stages than it needs: by this child
    sizes and lengths are reckoned.

    Raises:
        InvalidArchitecture: if there is no such family, or it cannot read the inputs.
    """
    require_readable(family, inputs)
    width, stages = FAMILIES[family].width, 1
    if space.start_width is not None:
        width, stages = space.start_width, space.max_stages
    return FAMILIES[family].start(inputs, Widths(width, space.head_width, stages))


def require_family(name: str) -> None:
    """Raise unless there is a family of that name.

    Raises:
        InvalidArchitecture: if there is none.
    """
    if name not in FAMILIES:
        raise InvalidArchitecture(unknown_name("family", name, FAMILIES))


def require_readable(family: str, inputs: Inputs) -> None:
    """Raise unless children of ``family`` can read ``inputs``.

    Raises:
        InvalidArchitecture: if there is no such family, or it cannot; then it says which can.
    """
    require_family(family)
    if inputs.kind not in FAMILIES[family].reads:
        able = [name for name, other in FAMILIES.items() if inputs.kind in other.reads]
        reads = " or ".join(FAMILIES[family].reads)
        raise InvalidArchitecture(
            f"a {family} child reads {reads} inputs, got {inputs.kind} inputs of shape {inputs.shape}: "
            f"use `family` {' or '.join(able)}"
        )
