"""Convolutional children: entries pool, blocks have BatchNorm before activation before convolution."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.architecture import Architecture, Block
from mse_rl.families.cnn import pooling
from mse_rl.networks.activation import Activation
from mse_rl.networks.layers import BatchNorm2d, Conv2d, Linear
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_

TINY = 1e-12
"""Instead of a norm of zero."""


class ConvEntry(nn.Module):
    """act(norm(pool(conv(x)))): a 3x3 convolution, max-pooling, BatchNorm, ReLU.

    It makes the stream of a stage from an image or from the stream before, as in plain convolutional
    networks. The stream that leaves it needs no norm, so the next entry and the head read it as it is.

    Args:
        inputs: channels that it reads.
        outputs: channels of the stream.
        stride: by how much each side is divided; an even one ends in pooling.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        convolution, self.side = pooling(stride)
        self.reader = Conv2d(inputs, outputs, 3, stride=convolution, bias=False)
        self.norm = BatchNorm2d(outputs)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.reader.weight, generator)
        self.norm.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream (n, outputs, ceil(H / stride), ceil(W / stride))."""
        x = self.reader(x)
        if self.side > 1:  # pooled first, norm and activation see a quarter of the pixels
            x = F.max_pool2d(x, self.side, ceil_mode=True)
        return F.relu(self.norm(x))

    def fold_stream_(self, means: Tensor) -> None:
        """Move the running mean of the norm, which takes out any constant in training."""
        assert self.norm.running_mean is not None
        self.norm.running_mean -= response(self.reader.weight, means)

    def shorten_(self) -> None:
        """Shorten the filters; the norm makes up for it."""
        _shorten_(self.reader, self.norm)


class ConvLink(Conv2d):
    """A 1x1 convolution without bias, zero at birth; strided where it leads to a later stage."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, 1, stride=stride, bias=False)

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

    def shorten_(self) -> None:
        """Shorten the first filters; the norm behind them makes up for it."""
        _shorten_(self.first, self.norm2)


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

    def shorten_(self) -> None:
        """Shorten the depthwise filters; the norm behind them makes up for it."""
        _shorten_(self.depthwise, self.norm2)


def _shorten_(convolution: Conv2d, norm: BatchNorm2d) -> None:
    """Bring filters that a norm follows halfway back to He's norm, in logarithms.

    Their norm means nothing to the function, but for the norm's epsilon. Under Muon, whose steps are all of
    one length, it grows and grows, and each step turns the filters less: those of a child that has taken many
    cheap steps would hardly learn any more.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight = convolution.weight
    scale = ((2 * len(weight)) ** 0.5 / weight.norm().clamp(min=TINY)).sqrt()
    weight.mul_(scale)
    norm.running_mean.mul_(scale)
    # Of the variance and the epsilon together, so that evaluation stays what it was.
    norm.running_var.add_(norm.eps).mul_(scale.square()).sub_(norm.eps).clamp_(min=0)


class ConvHead(nn.Module):
    """Mean over the pixels, linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = Linear(width, classes)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw weights that start near the uniform prediction."""
        nn.init.normal_(self.linear.weight, std=self.linear.in_features**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits

    def fold_stream_(self, means: Tensor) -> None:
        """Let the bias take it."""
        self.linear.bias.add_(response(self.linear.weight, means))


def _stem(architecture: Architecture) -> ConvEntry:
    first = architecture.stages[0]
    return ConvEntry(architecture.input_shape[0], first.width, first.stride)


CNN = Parts(
    stem=_stem,
    transition=ConvEntry,
    link=ConvLink,
    blocks={"conv": ConvBlock, "separable": SeparableBlock},
    head=ConvHead,
    silent="readers",
    channel_axis=1,
)
