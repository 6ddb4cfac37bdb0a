"""A slice of training: seeded batches, training steps, and how fast they are.

Every random number of a child is a function of its seed, what it is for, and when.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.config.training import OptimizerConfig
from mse_rl.costs import training_flops
from mse_rl.data import Augmentation, JoinedSplit, Split, Task, augment
from mse_rl.networks import Child, build_child
from mse_rl.spec.architecture import Architecture
from mse_rl.training.faults import SliceOverrun
from mse_rl.training.optimizer import make_optimizer, set_learning_rate_
from mse_rl.training.recorder import SliceRecorder, recorded_steps
from mse_rl.training.step import LEAST_STEPS, GraphedStep, Step
from mse_rl.transformations import ChildStatistics

INITIAL_WEIGHTS, ORDER, AUGMENTATION = range(3)
"""What a random number is for."""


def generator(device: torch.device | str, seed: int, *path: int) -> torch.Generator:
    """Return the generator of ``seed`` for one purpose and moment."""
    state = np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state) >> 1)


class BatchOrder:
    """Which samples make up each training batch: a new permutation every epoch, last ones dropped.

    Args:
        samples: number of training samples.
        batch_size: samples in a batch; at most ``samples``.
        seed: the child's.
        device: where the data are.
    """

    def __init__(self, samples: int, batch_size: int, *, seed: int, device: torch.device | str) -> None:
        self.batch_size = batch_size
        self._samples, self._seed, self._device = samples, seed, device
        self._epoch, self._permutation = -1, torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> torch.Tensor:
        """Return the indices (batch_size,) of training step ``step``."""
        epoch, index = divmod(step, self._samples // self.batch_size)
        if epoch != self._epoch:
            order = generator("cpu", self._seed, ORDER, epoch)
            self._permutation = torch.randperm(self._samples, generator=order).to(self._device)
            self._epoch = epoch
        return self._permutation[index * self.batch_size :][: self.batch_size]


CHUNK_BYTES = 1 << 19
"""Samples are gathered in chunks of about this size: few calls, and a processor's cache holds one."""


def batches(
    split: Split | JoinedSplit, augmentation: Augmentation, order: BatchOrder, steps: range, *, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs (n, *input_shape) and labels (n,) of every training step.

    Args:
        split: what to train on.
        augmentation: what may be done to inputs.
        order: which samples make up each batch.
        steps: of the schedule.
        seed: of the augmentation.
    """
    batch_bytes = split.inputs(order.batch(steps.start)).nbytes
    chunk_steps = max(1, CHUNK_BYTES // batch_bytes)
    for start in range(steps.start, steps.stop, chunk_steps):
        chunk = range(start, min(start + chunk_steps, steps.stop))
        indices = torch.cat([order.batch(step) for step in chunk])
        x = split.inputs(indices)
        if augmentation != Augmentation():
            x = augment(x, augmentation, generator=generator("cpu", seed, AUGMENTATION, start))
        y = split.y.index_select(0, indices)
        yield from zip(torch.split(x, order.batch_size), torch.split(y, order.batch_size), strict=True)


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
    split: Split | JoinedSplit | None = None,
    limit_seconds: float = inf,
) -> SliceResult:
    """Train ``child`` for some steps.

    Activations that fade go over to the new ones on the way.

    Args:
        child: trained in place.
        optimizer: holds the child's parameters.
        task: gives the samples, on the child's device.
        order: which samples make up each batch.
        steps: numbers of the training steps, counted from the child's first.
        rates: learning rate of each of them.
        config: the loss.
        seed: of the child's augmentation.
        split: what to train on; the training split if not given.
        limit_seconds: the longest that it may take.

    Returns:
        The loss, and what was seen of the blocks.

    Raises:
        SliceOverrun: if it takes longer.
    """
    child.train()
    deadline = time.monotonic() + limit_seconds
    split = task.train if split is None else split
    device = split.device
    loss_sum = torch.zeros((), device=device)
    recorder, recorded = SliceRecorder(child), recorded_steps(steps)
    fades = any(block.fading for _, block in child.architecture)
    step_ = Step(child, optimizer, config)
    graphed = device.type == "cuda" and len(steps) >= LEAST_STEPS
    fast_ = GraphedStep(step_, child, optimizer) if graphed else step_
    data = batches(split, task.augmentation, order, steps, seed=seed)
    for index, (step, rate, (x, y)) in enumerate(zip(steps, rates, data, strict=True)):
        if fades:
            child.fade_((index + 1) / len(steps))
        set_learning_rate_(optimizer, rate)
        loss_sum += step_(x, y, recorder) if step in recorded else fast_(x, y)
        _keep_to(deadline)
    child.settle_activations_()
    result = SliceResult(loss_sum.item() / len(steps), recorder.statistics())
    _keep_to(deadline)  # a GPU has only now done what it was told
    return result


def _keep_to(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise SliceOverrun


MEASURED_SECONDS = 1.0
WARM_UP_STEPS = 3


def training_speed(task: Task, architecture: Architecture, config: OptimizerConfig, batch_size: int) -> float:
    """Return the training FLOPs that a second lets a new child spend; measured for about a second.

    Args:
        task: gives the batches, on the device where children train.
        architecture: of the child, which is thrown away.
        config: how it is trained.
        batch_size: samples in a training step.
    """
    device = task.train.device
    child = build_child(architecture, generator=generator(device, 0, INITIAL_WEIGHTS), device=device).train()
    optimizer = make_optimizer(child, config)
    step_ = Step(child, optimizer, config)
    order = BatchOrder(len(task.train), batch_size, seed=0, device=device)

    def train(step: int) -> None:
        for x, y in batches(task.train, task.augmentation, order, range(step, step + 1), seed=0):
            step_(x, y).item()

    for step in range(WARM_UP_STEPS):
        train(step)
    steps, began = 0, time.perf_counter()
    while steps == 0 or time.perf_counter() - began < MEASURED_SECONDS:
        train(WARM_UP_STEPS + steps)
        steps += 1
    return training_flops(architecture, batch_size) * steps / (time.perf_counter() - began)


def duration(seconds: float) -> str:
    """Return a time with two significant digits, in the unit that suits it.

    >>> [duration(seconds) for seconds in (0.0312, 23.4, 400, 9000)]
    ['0.031 s', '23 s', '6.7 min', '2.5 h']
    """
    size, unit = next(
        (size, unit)
        for size, unit in ((3600, "h"), (60, "min"), (1, "s"))
        if seconds >= 1.5 * size or size == 1
    )
    value = f"{seconds / size:.2g}"
    return f"{float(value):g} {unit}"
