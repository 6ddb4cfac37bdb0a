"""New units that the loss asks for most: GradMax."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from mse_rl.architecture import Position
from mse_rl.networks import Child, ResidualBlock

ROW_NORM = 2**0.5
"""The expected norm of a row of He weights."""


def gradmax_rows(child: Child, position: Position, count: int, x: Tensor, y: Tensor) -> Tensor:
    """Return incoming weights for new units of a block, in order of the gradient that they bring.

    A new unit's outgoing weights are zero; their gradient, for a unit that is linear at birth and looks
    at one step at a time, is G v, where G = Σ δ hᵀ over samples and positions, h is what the block's first
    map reads, δ the gradient of the loss by what the block adds, and v the incoming weights. The |v| = 1
    with the largest gradient are G's first right singular vectors (Evci et al., 2022,
    https://arxiv.org/abs/2201.05125, with the roles of incoming and outgoing weights exchanged).

    Args:
        child: before the edit; left as it is.
        position: of the block.
        count: units wanted.
        x: inputs (n, *input_shape).
        y: labels (n,).

    Returns:
        (at most ``count``, in, ...), as rows of the block's intake, of He's norm; none if gradients are
        not finite.
    """
    block = child.block(position)
    read, update_gradient = _probed(child, block, x, y)
    weight, _ = block.intake
    correlation = _correlation(weight, read, update_gradient)  # (width, in · kernel)
    if not correlation.isfinite().all():  # a child that is about to diverge
        return weight[:0].detach()
    _, _, vectors = torch.linalg.svd(correlation, full_matrices=False)
    rows: Tensor = vectors[:count].unflatten(1, weight.shape[1:])
    return ROW_NORM * rows


def _probed(child: Child, block: ResidualBlock, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the block's first map reads, and the gradient by the block's output; in eval mode."""
    seen: dict[str, Tensor] = {}
    hooks = [
        block.first.register_forward_pre_hook(lambda _, args: seen.__setitem__("read", args[0].detach())),
        block.register_forward_hook(lambda _, args, output: seen.__setitem__("output", output)),
    ]
    mode = child.training
    # cuDNN gives no gradients through recurrent layers in eval mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        loss = F.cross_entropy(child.eval()(x), y)
        (gradient,) = torch.autograd.grad(loss, seen["output"])
    child.train(mode)
    for hook in hooks:
        hook.remove()
    return seen["read"], gradient


def _correlation(weight: Tensor, read: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of a map from what is read to the update, of the intake's kernel."""
    if weight.dim() == 2:
        return gradient.flatten(0, -2).T @ read.flatten(0, -2)
    height, width = weight.shape[2:]
    shape, padding = (gradient.shape[1], *weight.shape[1:]), (height // 2, width // 2)
    kernel: Tensor = conv2d_weight(read, shape, gradient, padding=padding)  # type: ignore[no-untyped-call]
    return kernel.flatten(1)
