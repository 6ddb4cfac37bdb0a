"""What recurrent children and transformers cost outside their blocks."""

from collections.abc import Iterator
from itertools import pairwise

from mse_rl.architecture import Architecture
from mse_rl.families.base import Cost, classifier


def sequence_frame(architecture: Architecture, features: int, steps: int) -> Iterator[Cost]:
    """Yield transitions between stages, head, and a stem over sequences of ``features`` or tokens."""
    widths = [stage.width for stage in architecture.stages]
    if architecture.vocabulary:
        yield Cost(0, architecture.vocabulary * widths[0], (2 + widths[0]) * steps)
    else:
        yield Cost(features * widths[0] * steps, features * widths[0] + widths[0], features * steps)
    for before, after in pairwise(widths):
        yield Cost(before * after * steps, before * after + after, before * steps)
    yield classifier(widths[-1], architecture.classes) + Cost(0, widths[-1], widths[-1] * steps)
