"""Non-linearities, and the way from one to another."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.architecture import Block
from mse_rl.errors import InvalidArchitecture, unknown_name

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class Activation(nn.Module):
    """The non-linearity of a block: (1 - alpha) · old(x) + alpha · new(x) while it fades, then new(x).

    ``alpha`` is a buffer, 0 at birth, and there only while the activation fades.
    """

    alpha: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.new = _function(block.activation)
        self.old = None if block.fading is None else _function(block.fading)
        if self.old is not None:
            self.register_buffer("alpha", torch.empty(()))

    def birth_(self, generator: torch.Generator) -> None:
        """Begin with the old non-linearity; nothing is drawn."""
        if self.old is not None:
            self.alpha.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of x."""
        if self.old is None:
            return self.new(x)
        return torch.lerp(self.old(x), self.new(x), self.alpha)

    def settle_(self) -> None:
        """Leave the old non-linearity behind."""
        if self.old is not None:
            self.old = None
            del self.alpha


def _function(name: str) -> Callable[[Tensor], Tensor]:
    if name not in FUNCTIONS:
        raise InvalidArchitecture(unknown_name("activation", name, FUNCTIONS))
    return FUNCTIONS[name]
