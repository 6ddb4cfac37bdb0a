"""Convolutional children: BatchNorm before activation before convolution; stages halve the resolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.architecture import Architecture, Block
from mse_rl.errors import InvalidArchitecture
from mse_rl.networks.family import Family, activation, he_


class Conv(nn.Conv2d):
    """A 3x3 convolution without bias that divides the resolution by ``stride``."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, padding=1, bias=False)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.weight, generator)


class ConvBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))), x of shape (n, width, H, W).

    He et al., 2016, https://arxiv.org/abs/1603.05027. The second convolution is zero at birth.
    """

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, block.inner, block.kernel, padding=block.kernel // 2, bias=False)
        self.norm2 = nn.BatchNorm2d(block.inner)
        self.conv2 = nn.Conv2d(block.inner, width, block.kernel, padding=block.kernel // 2)
        self.activation = activation(block.activation)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw the first convolution; the second is zero."""
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()
        he_(self.conv1.weight, generator)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def inner_units(self, x: Tensor) -> Tensor:
        """Return the inner activations (n, inner, H, W)."""
        return self.activation(self.norm2(self.conv1(self.activation(self.norm1(x)))))

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the block adds."""
        update: Tensor = self.conv2(self.inner_units(x))
        return x + update


class ConvHead(nn.Module):
    """Norm, activation, mean over the pixels, linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.linear = nn.Linear(width, classes)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw weights that start near the uniform prediction."""
        self.norm.reset_parameters()
        nn.init.normal_(self.linear.weight, std=self.linear.in_features**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(F.relu(self.norm(x)).mean(dim=(2, 3)))
        return logits


def _stem(architecture: Architecture) -> Conv:
    if len(architecture.input_shape) != 3:
        raise InvalidArchitecture(f"a cnn child reads images (C, H, W), got {architecture.input_shape}")
    return Conv(architecture.input_shape[0], architecture.stages[0].width, stride=architecture.stem_stride)


def _transition(before: int, after: int) -> Conv:
    return Conv(before, after, stride=2)


CNN = Family(stem=_stem, transition=_transition, blocks={"conv": ConvBlock}, head=ConvHead, silent="readers")
