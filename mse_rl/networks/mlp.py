"""Fully connected children over flattened inputs, with RMSNorm."""

import torch
from torch import Tensor, nn

from mse_rl.architecture import Architecture, Block
from mse_rl.networks.family import Family, activation, he_

EPS = 1e-5


class RMSNorm(nn.Module):
    """weight · x / sqrt(mean(x²) + eps), over the last dimension.

    Zhang and Sennrich, 2019, https://arxiv.org/abs/1910.07467. ``eps`` is a buffer, because
    widening the stream changes it.
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
    def dilute_(self, width_before: int) -> None:
        """Keep the output although dimensions that are zero have joined the ``width_before`` old ones.

        mean(x²) falls by d/d', so eps falls with it and the old gains by √(d/d').
        """
        share = width_before / len(self.weight)
        self.weight[:width_before] *= share**0.5
        self.eps *= share


class Linear(nn.Linear):
    """A linear map with He weights and no offset at birth."""

    def birth_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.weight, generator)
        nn.init.zeros_(self.bias)


class Stem(Linear):
    """Flattens a sample of any shape, then maps it to the stream."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream (n, width)."""
        return super().forward(x.flatten(1))


class LinearBlock(nn.Module):
    """x + linear(act(linear(norm(x)))), x of shape (n, width). The second map is zero at birth."""

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.linear1 = Linear(width, block.inner)
        self.linear2 = Linear(block.inner, width)
        self.activation = activation(block.activation)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw the first map; the second is zero."""
        self.norm.birth_(generator)
        self.linear1.birth_(generator)
        nn.init.zeros_(self.linear2.weight)
        nn.init.zeros_(self.linear2.bias)

    def inner_units(self, x: Tensor) -> Tensor:
        """Return the inner activations (n, inner)."""
        return self.activation(self.linear1(self.norm(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the block adds."""
        update: Tensor = self.linear2(self.inner_units(x))
        return x + update


class Head(nn.Module):
    """Norm, then a linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.linear = nn.Linear(width, classes)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw weights that start near the uniform prediction."""
        self.norm.birth_(generator)
        nn.init.normal_(self.linear.weight, std=self.linear.in_features**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(self.norm(x))
        return logits


def _stem(architecture: Architecture) -> Stem:
    return Stem(architecture.input_size, architecture.stages[0].width)


MLP = Family(stem=_stem, transition=Linear, blocks={"linear": LinearBlock}, head=Head, silent="writers")
