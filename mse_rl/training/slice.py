"""The training slice: what happens to a child between two decisions."""

import torch
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.data import Task, augment
from mse_rl.networks import Child
from mse_rl.training.optimizer import learning_rate
from mse_rl.training.randomness import AUGMENTATION, BatchOrder, generator


def train_slice_(
    child: Child,
    optimizer: Optimizer,
    task: Task,
    order: BatchOrder,
    *,
    steps: range,
    total_steps: int,
    config: OptimizerConfig,
    seed: int,
) -> float:
    """Train ``child`` for some steps of its schedule.

    Args:
        child: trained in place.
        optimizer: holds the child's parameters.
        task: gives the training split, on the child's device.
        order: which samples make up each batch.
        steps: the steps of the schedule to train.
        total_steps: length of the schedule.
        config: the learning rate over the schedule.
        seed: of the child's augmentation.

    Returns:
        The mean cross-entropy loss over the steps.
    """
    child.train()
    x, y = task.train.x, task.train.y
    loss_sum = torch.zeros((), device=x.device)
    for step in steps:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total_steps, config)
        indices = order.batch(step)
        batch = augment(x[indices], task.augmentation, generator=generator("cpu", seed, AUGMENTATION, step))
        loss = F.cross_entropy(child(batch), y[indices])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        loss_sum += loss.detach()
    return loss_sum.item() / len(steps)
