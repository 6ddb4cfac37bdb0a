"""The training slice: what happens to a child between two decisions."""

from dataclasses import dataclass

import torch
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.data import Task, augment
from mse_rl.networks import Child
from mse_rl.training.optimizer import learning_rate
from mse_rl.training.randomness import AUGMENTATION, BatchOrder, generator
from mse_rl.training.recorder import SliceRecorder, recorded_steps
from mse_rl.transformations import ChildStatistics


@dataclass(frozen=True)
class SliceResult:
    """What came of a slice.

    Args:
        loss: mean cross-entropy over the steps.
        statistics: of the child's blocks.
    """

    loss: float
    statistics: ChildStatistics


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
) -> SliceResult:
    """Train ``child`` for some steps of its schedule.

    Activations that fade go over to the new ones on the way.

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
        The loss, and what was seen of the blocks.
    """
    child.train()
    x, y = task.train.x, task.train.y
    loss_sum = torch.zeros((), device=x.device)
    recorder, recorded = SliceRecorder(child), recorded_steps(steps)
    fades = any(block.fading for _, block in child.architecture)
    for index, step in enumerate(steps):
        if fades:
            child.fade_((index + 1) / len(steps))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, total_steps, config)
        indices = order.batch(step)
        batch = augment(x[indices], task.augmentation, generator=generator("cpu", seed, AUGMENTATION, step))
        if step in recorded:
            recorder.watch(batch)
        loss = F.cross_entropy(child(batch), y[indices])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if step in recorded:
            recorder.read_gradients()
        optimizer.step()
        loss_sum += loss.detach()
    child.settle_activations_()
    return SliceResult(loss_sum.item() / len(steps), recorder.statistics())
