"""Every random number of a child is a function of its seed, what it is for, and when.

So a child's state needs no generator states, the order of its data does not depend on what was
done to it, and nothing here touches torch's global generator.
"""

import numpy as np
import torch

BIRTH, ORDER, AUGMENTATION = range(3)
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
