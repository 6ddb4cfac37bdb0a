"""One training step: forward, backward, optimizer."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child
from mse_rl.training.recorder import SliceRecorder


class Step:
    """Trains a child on a batch.

    Args:
        child: in training mode; trained in place.
        optimizer: holds its parameters.
        config: label smoothing, and whether matrix products and convolutions round to bfloat16 (autocast),
            whose sums stay float32.
    """

    def __init__(self, child: Child, optimizer: Optimizer, config: OptimizerConfig) -> None:
        self._child, self._optimizer = child, optimizer
        self._smoothing, self._bfloat16 = config.label_smoothing, config.precision == "bfloat16"
        self._parameters = list(child.parameters())

    def __call__(self, x: Tensor, y: Tensor, recorder: SliceRecorder | None = None) -> Tensor:
        """Take one step; return the cross-entropy of the batch before it, without label smoothing.

        Args:
            x: inputs (n, *input_shape).
            y: labels (n,).
            recorder: looks at the step.
        """
        if recorder:
            recorder.watch(x)
        cross_entropy, loss = self._rounded_losses(x, y) if self._bfloat16 else self._losses(x, y)
        for parameter in self._parameters:  # zero_grad() takes a few percent of a small child's step
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if recorder:
            recorder.read_gradients()
        self._optimizer.step()
        return cross_entropy.detach()

    def _losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy, and the loss that is trained on: (1 - s)·cross-entropy + s·mean over classes.

        Szegedy et al., 2016, https://arxiv.org/abs/1512.00567.
        """
        log_probabilities = F.log_softmax(self._child(x), dim=1)
        cross_entropy = F.nll_loss(log_probabilities, y)
        if not self._smoothing:
            return cross_entropy, cross_entropy
        return cross_entropy, torch.lerp(cross_entropy, -log_probabilities.mean(), self._smoothing)

    def _rounded_losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # No weight is used twice, so there is nothing that autocast could keep for later.
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return self._losses(x, y)
