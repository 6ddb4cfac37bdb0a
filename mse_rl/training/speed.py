"""How fast this machine trains a child."""

import time

from mse_rl.architecture import Architecture
from mse_rl.config import OptimizerConfig
from mse_rl.cost import training_flops
from mse_rl.data import Task
from mse_rl.networks import build_child
from mse_rl.training.batches import batches
from mse_rl.training.optimizer import make_optimizer
from mse_rl.training.randomness import BIRTH, BatchOrder, generator
from mse_rl.training.step import Step

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
    child = build_child(architecture, generator=generator(device, 0, BIRTH), device=device).train()
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
