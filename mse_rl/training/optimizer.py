"""The optimizer of a child, and its learning rate over the schedule."""

from math import cos, pi

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child

WARMUP_SHARE = 0.05
"""The learning rate rises linearly over this share of the schedule."""


def make_optimizer(child: Child, config: OptimizerConfig) -> Optimizer:
    """Return an optimizer over two groups: weights, which decay, and vectors, which do not.

    Fused: never slower than loops over parameters, by measurement (docs/performance.md).
    """
    config = config.of(child.architecture.family)
    groups = [
        {
            "params": [p for p in child.parameters() if (p.dim() > 1) == decays],
            "decays": decays,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for decays in (True, False)
    ]
    device, peak = next(child.parameters()).device, config.peak_learning_rate
    # A CUDA graph takes numbers as they are: what changes from step to step has to be a tensor.
    rate = torch.tensor(peak, device=device) if device.type == "cuda" else peak
    if config.optimizer == "sgd":
        return SGD(groups, lr=rate, momentum=0.9, nesterov=True, fused=True)
    return AdamW(groups, lr=rate, fused=True)


def set_learning_rate_(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def learning_rate(step: int, total_steps: int, config: OptimizerConfig) -> float:
    """Return the learning rate of ``step``: a short linear rise, then a cosine to the floor.

    lr(p) = peak · (floor + (1 - floor) · (1 + cos πp) / 2) at the share p of the schedule (Loshchilov
    and Hutter, 2017, https://arxiv.org/abs/1608.03983).
    """
    share = step / total_steps
    rise = min(1.0, (step + 1) / max(1.0, WARMUP_SHARE * total_steps))
    cosine = (1 + cos(pi * share)) / 2
    floor = config.learning_rate_floor
    return config.peak_learning_rate * rise * (floor + (1 - floor) * cosine)
