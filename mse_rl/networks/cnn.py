"""Convolutional children: BatchNorm before activation before convolution; stages halve the resolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.architecture import Architecture, Block
from mse_rl.networks.activation import Activation
from mse_rl.networks.layers import BatchNorm2d, Conv2d, Linear
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_


class Conv(Conv2d):
    """A 3x3 convolution without bias that divides the resolution by ``stride``."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__(inputs, outputs, 3, stride=stride, bias=False)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.weight, generator)


class ConvLink(Conv2d):
    """A 1x1 convolution without bias, zero at birth; strided where it leads to a later stage."""

    def __init__(self, inputs: int, outputs: int, stages: int) -> None:
        super().__init__(inputs, outputs, 1, stride=2**stages, bias=False)

    def birth_(self, generator: torch.Generator) -> None:
        """Set zero weights; nothing is drawn."""
        zero_(self)


class ConvBlock(ResidualBlock):
    """x + conv(act(norm(conv(act(norm(x)))))), x of shape (n, width, H, W).

    He et al., 2016, https://arxiv.org/abs/1603.05027. The second convolution is zero at birth.
    """

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm1 = BatchNorm2d(width)
        self.first: Conv2d = Conv2d(width, block.inner, block.kernel, bias=False)
        self.norm2 = BatchNorm2d(block.inner)
        self.last: Conv2d = Conv2d(block.inner, width, block.kernel, bias=True)
        self.activation = Activation(block)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw the first convolution; the second is zero."""
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()
        self.activation.birth_(generator)
        he_(self.first.weight, generator)
        zero_(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the block adds."""
        units = self.activation(self.norm2(self.first(self.activation(self.norm1(x)))))
        update: Tensor = self.last(units)
        return x + update

    def fold_stream_(self, means: Tensor) -> None:
        """Move the running mean of the second norm, which takes out any constant in training."""
        assert self.norm2.running_mean is not None
        self.norm2.running_mean -= response(self.first.weight, means)


class SeparableBlock(ResidualBlock):
    """x + pointwise(act(norm(depthwise(pointwise(act(norm(x))))))), x of shape (n, width, H, W).

    Depthwise-separable (Chollet, 2017, https://arxiv.org/abs/1610.02357), with the wide part inside
    (Sandler et al., 2018, https://arxiv.org/abs/1801.04381). The last map is zero at birth.
    """

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm1 = BatchNorm2d(width)
        self.first: Conv2d = Conv2d(width, block.inner, 1, bias=False)
        self.depthwise = Conv2d(block.inner, block.inner, block.kernel, bias=False, groups=block.inner)
        self.norm2 = BatchNorm2d(block.inner)
        self.last: Conv2d = Conv2d(block.inner, width, 1, bias=True)
        self.activation = Activation(block)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw the first two convolutions; the last is zero."""
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()
        self.activation.birth_(generator)
        he_(self.first.weight, generator)
        he_(self.depthwise.weight, generator)
        zero_(self.last)

    def forward(self, x: Tensor) -> Tensor:
        """Return x plus what the block adds."""
        mixed = self.first(self.activation(self.norm1(x)))
        update: Tensor = self.last(self.activation(self.norm2(self.depthwise(mixed))))
        return x + update

    def fold_stream_(self, means: Tensor) -> None:
        """Move the running mean of the second norm, which takes out any constant in training."""
        assert self.norm2.running_mean is not None
        gains = self.depthwise.weight.flatten(1).sum(1)  # (inner,)
        self.norm2.running_mean -= gains * response(self.first.weight, means)


class ConvHead(nn.Module):
    """Norm, activation, mean over the pixels, linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = BatchNorm2d(width)
        self.linear = Linear(width, classes)

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
    return Conv(architecture.input_shape[0], architecture.stages[0].width, stride=architecture.stem_stride)


def _transition(before: int, after: int) -> Conv:
    return Conv(before, after, stride=2)


CNN = Parts(
    stem=_stem,
    transition=_transition,
    link=ConvLink,
    blocks={"conv": ConvBlock, "separable": SeparableBlock},
    head=ConvHead,
    silent="readers",
    channel_axis=1,
)
