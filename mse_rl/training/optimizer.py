"""The optimizers of children, their learning rate, and Muon."""

from collections.abc import Callable
from typing import Any, get_args

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import Child, Role

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd polynomial that takes singular values near one."""
ITERATIONS = 5


class Muon(AdamW):
    """W ← W - lr · √(max(1, out / in)) · U Vᵀ, where U S Vᵀ is Nesterov momentum as a matrix (out, in ·
    kernel).

    Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/. Every direction of a weight learns at
    the same rate, also those that new units have just added: growth needs no rates of its own. What is no
    hidden map (embeddings, the classifier, biases, gains) is trained by AdamW.

    Args:
        groups: of parameters; ``orthogonal`` says whether they are hidden maps.
        lr: learning rate of all groups, until it is set.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float | Tensor) -> None:
        super().__init__(groups, lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Perform one optimization step."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    self._step_orthogonal(parameter, group["lr"], group["weight_decay"])

    def _step_orthogonal(self, parameter: Tensor, rate: float | Tensor, decay: float) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        update = orthogonal(gradient.lerp(momentum, MOMENTUM).flatten(1)).view_as(parameter)
        scale = max(1.0, parameter.shape[0] / parameter[0].numel()) ** 0.5
        parameter.mul_(1 - rate * decay)
        parameter.sub_(update * (rate * scale))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U Vᵀ of ``matrix`` (m, n) = U S Vᵀ: singular values lie between about 0.7 and 1.2, but
    those that were almost zero stay small.

    Newton-Schulz iteration, in products of matrices alone.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T


WARMUP_SHARE = 0.05
"""The learning rate rises linearly over this share of the schedule."""


TABLE_RATE = 0.3
"""Learning rate of what Muon leaves to AdamW, over that of hidden maps."""


def make_optimizer(child: Child, config: OptimizerConfig) -> Optimizer:
    """Return an optimizer with a group of parameters for each role: hidden maps, tables, and vectors.

    Vectors do not decay. Fused: never slower than loops over parameters, by measurement
    (docs/performance.md).
    """
    config = config.of(child.architecture.family)
    muon = config.optimizer == "muon"
    roles = child.roles()
    groups: list[dict[str, Any]] = [
        {
            "params": [parameter for parameter, is_ in roles.items() if is_ == role],
            "role": role,
            "orthogonal": muon and role == "hidden",
            "rate": TABLE_RATE if muon and role != "hidden" else 1.0,
            "weight_decay": 0.0 if role == "vector" else config.decay,
        }
        for role in get_args(Role)
    ]
    device, peak = next(child.parameters()).device, config.peak_learning_rate
    # A CUDA graph takes numbers as they are: what changes from step to step has to be a tensor of its
    # group's own.
    for group in groups:
        rate = peak * group["rate"]
        group["lr"] = torch.tensor(rate, device=device) if device.type == "cuda" else rate
    if config.optimizer == "sgd":
        return SGD(groups, lr=peak, momentum=0.9, nesterov=True, fused=True)
    return Muon(groups, lr=peak) if muon else AdamW(groups, lr=peak, fused=True)


def set_learning_rate_(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters; groups may have a multiple of it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate * group["rate"])
        else:
            group["lr"] = rate * group["rate"]


def learning_rate(
    share: float, step_share: float, config: OptimizerConfig, width: int | None = None
) -> float:
    """Return the learning rate of a training step: a short linear rise, constant, then linearly to zero.

    lr(p) = peak · min(1, (p + Δp) / warm-up) · min(1, (1 - p) / (1 - hold)). Growth belongs in the constant
    part (Hu et al., 2024, https://arxiv.org/abs/2404.06395, call it warm-up, stable, decay).

    Args:
        share: p, the share of the schedule that is spent before the step.
        step_share: Δp, the share that the step takes.
        config: peak and hold.
        width: of the child's first stream, where the peak depends on it.
    """
    peak = config.peak_learning_rate if width is None else config.peak_at(width)
    rise = min(1.0, (share + step_share) / WARMUP_SHARE)
    fall = (
        1.0 if share < config.learning_rate_hold else (1 - share) / max(1e-9, 1 - config.learning_rate_hold)
    )
    return peak * rise * max(0.0, fall)
