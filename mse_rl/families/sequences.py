"""What recurrent children and transformers cost outside their blocks."""

from mse_rl.architecture import Architecture
from mse_rl.families.base import Cost, classifier


def sequence_entry(architecture: Architecture, stage: int, *, features: int, steps: int) -> Cost:
    """Return the cost of a stem over sequences of ``features`` or tokens, or of a linear transition."""
    after = architecture.stages[stage].width
    if stage == 0 and architecture.vocabulary:
        return Cost(0, architecture.vocabulary * after, (2 + after) * steps)
    before = architecture.stages[stage - 1].width if stage else features
    return Cost(before * after * steps, before * after + after, before * steps)


def sequence_head(architecture: Architecture, *, steps: int) -> Cost:
    """Return the cost of a norm at every step, a mean over them, and a classifier."""
    width = architecture.stages[-1].width
    return classifier(width, architecture.classes) + Cost(0, width, width * steps)
