"""The training batches of a slice: gathered and augmented many at a time, on the device of the data."""

from collections.abc import Iterator

import torch
from torch import Tensor

from mse_rl.data import Augmentation, Split, augment
from mse_rl.training.randomness import AUGMENTATION, BatchOrder, generator

CHUNK_BYTES = 1 << 19
"""Samples are gathered in chunks of about this size: few calls, and a processor's cache holds one."""


def batches(
    split: Split, augmentation: Augmentation, order: BatchOrder, steps: range, *, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs (n, *input_shape) and labels (n,) of every training step.

    Args:
        split: what to train on.
        augmentation: what may be done to inputs.
        order: which samples make up each batch.
        steps: of the schedule.
        seed: of the augmentation.
    """
    batch_bytes = split.inputs(slice(1)).nbytes * order.batch_size
    chunk_steps = max(1, CHUNK_BYTES // batch_bytes)
    for start in range(steps.start, steps.stop, chunk_steps):
        chunk = range(start, min(start + chunk_steps, steps.stop))
        indices = torch.cat([order.batch(step) for step in chunk])
        x = split.inputs(indices)
        if augmentation != Augmentation():
            x = augment(x, augmentation, generator=generator("cpu", seed, AUGMENTATION, start))
        y = split.y.index_select(0, indices)
        yield from zip(torch.split(x, order.batch_size), torch.split(y, order.batch_size), strict=True)
