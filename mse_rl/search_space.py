"""Which architectures may be: bounds, quanta, and where growth starts. No torch here."""

from dataclasses import dataclass
from math import ceil, lcm

from mse_rl.architecture import Architecture
from mse_rl.errors import InvalidArchitecture, unknown_name
from mse_rl.families import FAMILIES, Inputs, Widths


@dataclass(frozen=True)
class SearchSpace:
    """Bounds of growth.

    Args:
        max_blocks: most blocks of a child; also the rows of the observation.
        max_width: widest stream, and most units inside a block.
        max_kernel: largest kernel, in pixels a side.
        max_links: most links of a child.
        quantum: widths grow to multiples of this; units of attention to whole heads.
        start_width: width of the first stream, and units inside each first block.
        head_width: units of an attention head.
    """

    max_blocks: int = 12
    max_width: int = 512
    max_kernel: int = 7
    max_links: int = 8
    quantum: int = 2
    start_width: int = 4
    head_width: int = 4

    def __post_init__(self) -> None:
        least = min(self.max_blocks, self.max_width, self.max_kernel, self.quantum)
        if min(least, self.start_width, self.head_width) < 1 or self.max_links < 0:
            raise InvalidArchitecture(f"every bound of the search space must be at least 1, got {self}")

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
        """Say whether an architecture lies within the bounds."""
        return self.exceeded(architecture) is None

    def exceeded(self, architecture: Architecture) -> str | None:
        """Return the first bound that an architecture is beyond, None if it lies within all."""
        sizes = {
            "max_blocks": architecture.depth,
            "max_width": architecture.widest,
            "max_links": len(architecture.links),
            "max_kernel": max(block.kernel for block in architecture.blocks),
        }
        return next((bound for bound, size in sizes.items() if size > getattr(self, bound)), None)


def starting_architecture(family: str, inputs: Inputs, space: SearchSpace) -> Architecture:
    """Return the smallest child of ``family`` that reads ``inputs``.

    Raises:
        InvalidArchitecture: if there is no such family, or it cannot read the inputs.
    """
    require_readable(family, inputs)
    return FAMILIES[family].start(inputs, Widths(space.start_width, space.head_width))


def require_readable(family: str, inputs: Inputs) -> None:
    """Raise unless children of ``family`` can read ``inputs``.

    Raises:
        InvalidArchitecture: if there is no such family, or it cannot; then it says which can.
    """
    if family not in FAMILIES:
        raise InvalidArchitecture(unknown_name("family", family, FAMILIES))
    if inputs.kind not in FAMILIES[family].reads:
        able = [name for name, other in FAMILIES.items() if inputs.kind in other.reads]
        reads = " or ".join(FAMILIES[family].reads)
        raise InvalidArchitecture(
            f"a {family} child reads {reads} inputs, got {inputs.kind} inputs of shape {inputs.shape}: "
            f"use --family {' or '.join(able)}"
        )
