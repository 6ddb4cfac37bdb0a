"""The optimizer of a child, and its learning rate over the schedule."""

from typing import Any, get_args

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child, Role
from mse_rl.training.muon import Muon

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
            "weight_decay": 0.0 if role == "vector" else config.weight_decay,
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


def learning_rate(share: float, step_share: float, config: OptimizerConfig) -> float:
    """Return the learning rate of a training step: a short linear rise, constant, then linearly to zero.

    lr(p) = peak · min(1, (p + Δp) / warm-up) · min(1, (1 - p) / (1 - hold)). Growth belongs in the constant
    part (Hu et al., 2024, https://arxiv.org/abs/2404.06395, call it warm-up, stable, decay).

    Args:
        share: p, the share of the schedule that is spent before the step.
        step_share: Δp, the share that the step takes.
        config: peak and hold.
    """
    rise = min(1.0, (share + step_share) / WARMUP_SHARE)
    fall = (
        1.0 if share < config.learning_rate_hold else (1 - share) / max(1e-9, 1 - config.learning_rate_hold)
    )
    return config.peak_learning_rate * rise * max(0.0, fall)
