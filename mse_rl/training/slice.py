"""The training slice: what happens to a child between two decisions."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.optim import Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.data import Task
from mse_rl.networks import Child
from mse_rl.training.batches import batches
from mse_rl.training.graphed_step import LEAST_STEPS, GraphedStep
from mse_rl.training.optimizer import set_learning_rate_
from mse_rl.training.randomness import BatchOrder
from mse_rl.training.recorder import SliceRecorder, recorded_steps
from mse_rl.training.step import Step
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
    rates: Sequence[float],
    config: OptimizerConfig,
    seed: int,
) -> SliceResult:
    """Train ``child`` for some steps.

    Activations that fade go over to the new ones on the way.

    Args:
        child: trained in place.
        optimizer: holds the child's parameters.
        task: gives the training split, on the child's device.
        order: which samples make up each batch.
        steps: numbers of the training steps, counted from the child's first.
        rates: learning rate of each of them.
        config: the loss.
        seed: of the child's augmentation.

    Returns:
        The loss, and what was seen of the blocks.
    """
    child.train()
    device = task.train.device
    loss_sum = torch.zeros((), device=device)
    recorder, recorded = SliceRecorder(child), recorded_steps(steps)
    fades = any(block.fading for _, block in child.architecture)
    step_ = Step(child, optimizer, config)
    graphed = device.type == "cuda" and len(steps) >= LEAST_STEPS
    fast_ = GraphedStep(step_, child, optimizer) if graphed else step_
    data = batches(task.train, task.augmentation, order, steps, seed=seed)
    for index, (step, rate, (x, y)) in enumerate(zip(steps, rates, data, strict=True)):
        if fades:
            child.fade_((index + 1) / len(steps))
        set_learning_rate_(optimizer, rate)
        loss_sum += step_(x, y, recorder) if step in recorded else fast_(x, y)
    child.settle_activations_()
    return SliceResult(loss_sum.item() / len(steps), recorder.statistics())
