"""Applying a transformation, and its receipt."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.costs import cost
from mse_rl.networks import Child, build_child
from mse_rl.spec import Architecture, Link, Position, SearchSpace
from mse_rl.transformations.base import Axis, Target, Transformation, at_block
from mse_rl.transformations.statistics import ChildStatistics
from mse_rl.transformations.surgery import gradmax_rows, transplant_, unchanged_parts


@dataclass(frozen=True)
class Receipt:
    """What one application of a transformation did.

    Args:
        transformation: its name.
        target: the block or pair that it was aimed at; None for the whole child.
        output_change: max |Δ logit| on the probe batch, in eval mode; None where logits cannot be compared.
        flops_before, flops_after: of a forward pass of one sample.
        parameters_before, parameters_after: number of trainable values.
        rolled_back: whether it was taken back, because skill fell by more than the tolerance.
        kept, made_new: parts of a child that was taken over from another task.
    """

    transformation: str
    target: Position | Link | None
    output_change: float | None
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
    output_change: float | None,
    kept: tuple[str, ...] = (),
    made_new: tuple[str, ...] = (),
) -> Receipt:
    """Return a receipt with the costs before and after."""
    return Receipt(
        transformation=name,
        target=target,
        output_change=output_change,
        flops_before=cost(before).flops,
        flops_after=cost(after).flops,
        parameters_before=cost(before).parameters,
        parameters_after=cost(after).parameters,
        kept=kept,
        made_new=made_new,
    )


OUTPUT_CHANGE_SAMPLES = 16
"""Samples on which the output change is measured: it is a check, and costs a forward pass."""


@dataclass(frozen=True)
class Answers:
    """What a child says in evaluation mode, before it is transformed.

    Args:
        x: inputs (n, *input_shape).
        logits: (n, classes).
    """

    x: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Probe:
    """Training samples on which a child is looked at while it is transformed.

    Args:
        x: inputs (n, *input_shape).
        y: labels (n,).
    """

    x: Tensor
    y: Tensor


def apply(
    transformation: Transformation,
    target: Target,
    child: Child,
    optimizer: Optimizer,
    *,
    space: SearchSpace,
    probe: Probe,
    generator: torch.Generator,
    statistics: ChildStatistics | None = None,
    new_units: Literal["he", "gradmax"] = "he",
    answers: Answers | None = None,
) -> tuple[Child, Receipt]:
    """Transform ``child``; ``optimizer`` goes along.

    Args:
        transformation: what to do.
        target: where; one of ``transformation.targets(child.architecture)``.
        child: must not be used afterwards.
        optimizer: trains the child; afterwards it trains the new one.
        space: the bounds of growth.
        probe: on which GradMax's gradient is measured, and, without ``answers``, the output change.
        generator: draws the new weights.
        statistics: of the last slice, for shrinking; magnitudes of weights decide without them.
        new_units: how new units of a block get their incoming weights.
        answers: of ``child``, where they are known already: the output change is that to the new child's.

    Returns:
        The child after the transformation, and the receipt.
    """
    before, statistics = child.architecture, statistics or ChildStatistics()
    after = transformation.edit(before, target, space)
    if after == before:
        return child, receipt_of(transformation.name, target, before, after, output_change=0.0)
    if answers is None:
        x = probe.x[:OUTPUT_CHANGE_SAMPLES]
        answers = Answers(x, _logits(child, x))
    for part, at in transformation.parts(before, target):
        child = _apply_part(
            part,
            at,
            child,
            optimizer,
            space=space,
            probe=probe,
            generator=generator,
            statistics=statistics,
            new_units=new_units,
        )
    child.compact_()
    output_change = (_logits(child, answers.x) - answers.logits).abs().max().item()
    return child, receipt_of(transformation.name, target, before, after, output_change=output_change)


def _apply_part(
    transformation: Transformation,
    target: Target,
    child: Child,
    optimizer: Optimizer,
    *,
    space: SearchSpace,
    probe: Probe,
    generator: torch.Generator,
    statistics: ChildStatistics,
    new_units: Literal["he", "gradmax"],
) -> Child:
    """Apply a transformation that resizes at most one axis; arguments as in ``apply``, no receipt."""
    before = child.architecture
    after = transformation.edit(before, target, space)
    if after == before:
        return child
    axis = transformation.axis(child, after, target, statistics)
    rows = None
    if transformation.adds_units and new_units == "gradmax":
        assert axis is not None
        rows = gradmax_rows(child, at_block(target), len(axis.units) - axis.before, probe.x, probe.y)
    with torch.no_grad():
        transformation.fold_(child, target, axis, statistics)
    weight = next(child.parameters())
    origins = transformation.origins(before, target)
    new = build_child(
        after,
        generator=generator,
        device=weight.device,
        dtype=weight.dtype,
        reuse=unchanged_parts(child, after, origins),
    )
    new.train(child.training)
    transplant_(
        child,
        new,
        optimizer,
        origins=origins,
        axis=axis,
        silenced=transformation.silences(child),
    )
    with torch.no_grad():
        transformation.settle_(new, before, target)
        if rows is not None and axis is not None:
            _take_in_(new, target, axis, rows)
    return new


@torch.inference_mode()
def _logits(child: Child, x: Tensor) -> Tensor:
    if not child.training:  # it is after an evaluation, and to set the mode takes as long as a layer
        logits: Tensor = child(x)
        return logits
    logits = child.eval()(x)
    child.train()
    return logits


def _take_in_(child: Child, target: Target, axis: Axis, rows: Tensor) -> None:
    """Set the incoming weights of new units; units beyond the rows keep theirs."""
    weight, gate = child.block(at_block(target)).intake
    first = gate * len(axis.units) + axis.before
    weight[first : first + len(rows)] = rows
