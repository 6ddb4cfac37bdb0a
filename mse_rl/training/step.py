"""One training step: forward, backward, optimizer."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.networks import Child
from mse_rl.training.recorder import SliceRecorder


class Step:
    """Trains a child on a batch.

    Args:
        child: in training mode; trained in place.
        optimizer: holds its parameters.
        bfloat16: let matrix products and convolutions round to bfloat16 (autocast), whose sums stay float32.
    """

    def __init__(self, child: Child, optimizer: Optimizer, *, bfloat16: bool) -> None:
        self._child, self._optimizer, self._bfloat16 = child, optimizer, bfloat16
        self._parameters = list(child.parameters())

    def __call__(self, x: Tensor, y: Tensor, recorder: SliceRecorder | None = None) -> Tensor:
        """Take one step; return the loss of the batch before it.

        Args:
            x: inputs (n, *input_shape).
            y: labels (n,).
            recorder: looks at the step.
        """
        if recorder:
            recorder.watch(x)
        loss = self._rounded_loss(x, y) if self._bfloat16 else F.cross_entropy(self._child(x), y)
        for parameter in self._parameters:  # zero_grad() takes a few percent of a small child's step
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if recorder:
            recorder.read_gradients()
        self._optimizer.step()
        return loss.detach()

    def _rounded_loss(self, x: Tensor, y: Tensor) -> Tensor:
        # No weight is used twice, so there is nothing that autocast could keep for later.
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return F.cross_entropy(self._child(x), y)
