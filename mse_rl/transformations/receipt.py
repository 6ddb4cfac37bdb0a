"""What an application of a transformation gives in return."""

from dataclasses import dataclass

from mse_rl.architecture import Architecture, Link, Position
from mse_rl.cost import cost


@dataclass(frozen=True)
class Receipt:
    """What one application of a transformation did.

    Args:
        transformation: its name.
        target: the block or pair that it was aimed at; None for the whole child.
        deviation: max |Δ logit| on the probe batch, in eval mode; None where logits cannot be compared.
        flops_before, flops_after: of a forward pass of one sample.
        parameters_before, parameters_after: number of trainable values.
        rolled_back: whether it was taken back, because skill fell by more than the tolerance.
        kept, made_new: parts of a child that was taken over from another task.
    """

    transformation: str
    target: Position | Link | None
    deviation: float | None
    flops_before: int
    flops_after: int
    parameters_before: int
    parameters_after: int
    rolled_back: bool = False
    kept: tuple[str, ...] = ()
    made_new: tuple[str, ...] = ()


def receipt_of(
    name: str,
    target: Position | Link | None,
    before: Architecture,
    after: Architecture,
    *,
    deviation: float | None,
    kept: tuple[str, ...] = (),
    made_new: tuple[str, ...] = (),
) -> Receipt:
    """Return a receipt with the costs before and after."""
    return Receipt(
        transformation=name,
        target=target,
        deviation=deviation,
        flops_before=cost(before).flops,
        flops_after=cost(after).flops,
        parameters_before=cost(before).parameters,
        parameters_after=cost(after).parameters,
        kept=kept,
        made_new=made_new,
    )
