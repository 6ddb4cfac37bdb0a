"""The norm of all streams but those of convolutional children."""

import torch
from torch import Tensor, nn

EPS = 1e-5


class RMSNorm(nn.Module):
    """weight · x / sqrt(mean(x²) + eps), over the last dimension.

    Zhang and Sennrich, 2019, https://arxiv.org/abs/1910.07467. ``eps`` is a buffer, because
    another width of the stream changes it.
    """

    eps: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width))
        self.register_buffer("eps", torch.empty(()))

    def birth_(self, generator: torch.Generator) -> None:
        """Set unit gain; nothing is drawn."""
        nn.init.ones_(self.weight)
        self.eps.fill_(EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.weight

    @torch.no_grad()
    def rescale_(self, width_before: int) -> None:
        """Keep the output although dimensions that are zero have joined or left the ``width_before`` ones.

        mean(x²) changes by d/d', so eps changes with it, and the old gains by √(d/d').
        """
        share = width_before / len(self.weight)
        self.weight[:width_before] *= share**0.5
        self.eps *= share
