"""Applying a transformation to a child, and what it gives in return: a receipt."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.architecture import Architecture, Position
from mse_rl.cost import cost
from mse_rl.networks import Child, build_child
from mse_rl.search_space import SearchSpace
from mse_rl.transformations.base import Transformation
from mse_rl.transformations.surgery import transplant_


@dataclass(frozen=True)
class Receipt:
    """What one application of a transformation did.

    Args:
        transformation: its name.
        target: the block that it was aimed at; None for the whole child.
        deviation: max |Δ logit| on the probe batch, in eval mode.
        flops_before, flops_after: of a forward pass of one sample.
        parameters_before, parameters_after: number of trainable values.
    """

    transformation: str
    target: Position | None
    deviation: float
    flops_before: int
    flops_after: int
    parameters_before: int
    parameters_after: int


def apply(
    transformation: Transformation,
    target: Position | None,
    child: Child,
    optimizer: Optimizer,
    *,
    space: SearchSpace,
    probe: Tensor,
    generator: torch.Generator,
) -> tuple[Child, Receipt]:
    """Transform ``child``; ``optimizer`` goes along.

    Args:
        transformation: what to do.
        target: where; one of ``transformation.targets(child.architecture)``.
        child: must not be used afterwards.
        optimizer: trains the child; afterwards it trains the new one.
        space: the bounds of growth.
        probe: inputs (n, *input_shape) on which the deviation is measured.
        generator: draws the new weights.

    Returns:
        The child after the transformation, and the receipt.
    """
    before = child.architecture
    after = transformation.edit(before, target, space)
    if after == before:
        return child, _receipt(transformation, target, before, after, deviation=0.0)
    expected = _probed(child, probe)
    weight = next(child.parameters())
    new = build_child(after, generator=generator, device=weight.device, dtype=weight.dtype)
    new.train(child.training)
    transplant_(
        child,
        new,
        optimizer,
        origins=transformation.origins(before, target),
        silenced=transformation.silences(child),
    )
    transformation.settle_(new, before, target)
    deviation = (_probed(new, probe) - expected).abs().max().item()
    return new, _receipt(transformation, target, before, after, deviation=deviation)


@torch.no_grad()
def _probed(child: Child, probe: Tensor) -> Tensor:
    mode = child.training
    logits: Tensor = child.eval()(probe)
    child.train(mode)
    return logits


def _receipt(
    transformation: Transformation,
    target: Position | None,
    before: Architecture,
    after: Architecture,
    *,
    deviation: float,
) -> Receipt:
    return Receipt(
        transformation=transformation.name,
        target=target,
        deviation=deviation,
        flops_before=cost(before).flops,
        flops_after=cost(after).flops,
        parameters_before=cost(before).parameters,
        parameters_after=cost(after).parameters,
    )
