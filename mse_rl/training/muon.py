"""Muon: momentum whose singular values are all made one, for the weights of hidden maps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of the odd polynomial that takes singular values near one."""
ITERATIONS = 5


class Muon(AdamW):
    """W ← W - lr · √(max(1, out / in)) · U Vᵀ, where U S Vᵀ is Nesterov momentum as a matrix (out, in ·
    kernel).

    Jordan et al., 2024, https://kellerjordan.github.io/posts/muon/. Every direction of a weight learns at
    the same rate, also those that new units have just added: growth needs no rates of its own. What is no
    hidden map (embeddings, the classifier, biases, gains) is trained by AdamW.

    Args:
        groups: of parameters; ``orthogonal`` says whether they are hidden maps.
        lr: learning rate of all groups, until it is set.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float | Tensor) -> None:
        super().__init__(groups, lr=lr, fused=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take one step."""
        groups = self.param_groups
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step(closure)
        finally:
            self.param_groups = groups
        for group in groups:
            if group["orthogonal"]:
                for parameter in group["params"]:
                    self._step_orthogonal(parameter, group["lr"], group["weight_decay"])

    def _step_orthogonal(self, parameter: Tensor, rate: float | Tensor, decay: float) -> None:
        gradient = parameter.grad
        if gradient is None:
            return
        state = self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        update = orthogonal(gradient.lerp(momentum, MOMENTUM).flatten(1)).view_as(parameter)
        scale = max(1.0, parameter.shape[0] / parameter[0].numel()) ** 0.5
        parameter.mul_(1 - rate * decay)
        parameter.sub_(update * (rate * scale))


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about U Vᵀ of ``matrix`` (m, n) = U S Vᵀ: singular values lie between about 0.7 and 1.2, but
    those that were almost zero stay small.

    Newton-Schulz iteration, in products of matrices alone.
    """
    a, b, c = NEWTON_SCHULZ
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x if wide else x.T
