"""Convolutional children: entries pool, blocks have BatchNorm before activation before convolution.

A sequence or text is an image of height 1: its stream is (n, width, 1, T), its kernels are (1, k). Where
there is padding the stream is zero, norms return zero, and every activation keeps it: convolutions do not
see it.
"""

from functools import lru_cache, partial
from itertools import accumulate
from math import inf
from operator import mul

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.networks.layers import Activation, BatchNorm2d, Conv2d, Embedding, Linear, function, sides
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_
from mse_rl.spec import Architecture, Block, Stage
from mse_rl.spec.cnn import dimensions, entry_kernel, pooling, strides

TINY = 1e-12
"""Instead of a norm of zero."""


class ConvEntry(nn.Module):
    """act(norm(pool(conv(x)))): a convolution, max-pooling, BatchNorm, non-linearity.

    It makes the stream of a stage from an image, a sequence or the stream before, as in plain convolutional
    networks. The stream that leaves it needs no norm, so the next entry and the head read it as it is.

    Args:
        inputs: channels that it reads.
        stage: width of the stream, the non-linearity, and by how much each side is divided; an even stride
            ends in pooling.
        kernel: side of its kernels.
        dimensions: along which it convolves.
    """

    def __init__(self, inputs: int, stage: Stage, *, kernel: int, dimensions: int) -> None:
        super().__init__()
        self._stride, self._side = pooling(stage.stride)
        self._activation = function(stage.activation)
        self._window = sides(self._side, dimensions)
        self.reader = Conv2d(
            inputs, stage.width, kernel, dimensions=dimensions, stride=self._stride, bias=False
        )
        self.norm = BatchNorm2d(stage.width)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.reader.weight, generator)
        self.norm.reset_parameters()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream (n, width, ceil(H / stride), ceil(W / stride)).

        Args:
            x: what it reads (n, inputs, H, W).
            mask: (n, 1, 1, W) of it.
        """
        x = self.reader(x)
        mask = _strided(mask, self._stride)
        if self._side > 1:  # pooled first, norm and activation see a quarter of the pixels
            x = x if mask is None else x.masked_fill(~mask, -inf)
            x = F.max_pool2d(x, self._window, ceil_mode=True)
            mask = _strided(mask, self._side)
            x = x if mask is None else x.masked_fill(~mask, 0)
        return self._activation(self.norm(x, mask))

    def fold_stream_(self, means: Tensor) -> None:
        """Move the running mean of the norm, which takes out any constant in training."""
        assert self.norm.running_mean is not None
        self.norm.running_mean -= response(self.reader.weight, means)

    def shorten_(self) -> None:
        """Shorten the filters; the norm makes up for it."""
        _shorten_(self.reader, self.norm)


class SequenceEntry(ConvEntry):
    """The same for sequences (n, T, F)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream (n, width, 1, ceil(T / stride)); ``mask`` is (n, 1, 1, T)."""
        return super().forward(x.transpose(1, 2).unsqueeze(2), mask)  # channels_last as it lies in memory


class TokenEntry(Embedding):
    """Token ids (n, T) to a stream (n, width, 1, T)."""

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream."""
        return super().forward(ids).transpose(1, 2).unsqueeze(2)


class ConvLink(Conv2d):
    """A 1x1 convolution without bias, zero at initialization; strided where it leads to a later stage."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, dimensions: int) -> None:
        super().__init__(inputs, outputs, 1, dimensions=dimensions, stride=stride, bias=False)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Set zero weights; nothing is drawn."""
        zero_(self)


class ConvBlock(ResidualBlock):
    """x + conv(act(norm(conv(act(norm(x)))))), x of shape (n, width, H, W).

    He et al., 2016, https://arxiv.org/abs/1603.05027. The second convolution is zero at initialization.
    """

    def __init__(self, block: Block, width: int, *, dimensions: int) -> None:
        super().__init__()
        convolution = partial(Conv2d, dimensions=dimensions)
        self.norm1 = BatchNorm2d(width)
        self.first: Conv2d = convolution(width, block.inner, block.kernel, bias=False)
        self.norm2 = BatchNorm2d(block.inner)
        self.last: Conv2d = convolution(block.inner, width, block.kernel, bias=True)
        self.activation = Activation(block)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw the first convolution; the second is zero."""
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()
        self.activation.reset_parameters_(generator)
        he_(self.first.weight, generator)
        zero_(self.last)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x plus what the block adds."""
        units = self.activation(self.norm2(self.first(self.activation(self.norm1(x, mask))), mask))
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
    (Sandler et al., 2018, https://arxiv.org/abs/1801.04381). The last map is zero at initialization.
    """

    def __init__(self, block: Block, width: int, *, dimensions: int) -> None:
        super().__init__()
        convolution = partial(Conv2d, dimensions=dimensions)
        self.norm1 = BatchNorm2d(width)
        self.first: Conv2d = convolution(width, block.inner, 1, bias=False)
        self.depthwise = convolution(block.inner, block.inner, block.kernel, bias=False, groups=block.inner)
        self.norm2 = BatchNorm2d(block.inner)
        self.last: Conv2d = convolution(block.inner, width, 1, bias=True)
        self.activation = Activation(block)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw the first two convolutions; the last is zero."""
        self.norm1.reset_parameters()
        self.norm2.reset_parameters()
        self.activation.reset_parameters_(generator)
        he_(self.first.weight, generator)
        he_(self.depthwise.weight, generator)
        zero_(self.last)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x plus what the block adds."""
        mixed = self.first(self.activation(self.norm1(x, mask)))
        update: Tensor = self.last(self.activation(self.norm2(self.depthwise(mixed), mask)))
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
    """Mean over the pixels or steps, linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.linear = Linear(width, classes)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw weights that start near the uniform prediction."""
        nn.init.normal_(self.linear.weight, std=self.linear.in_features**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits."""
        pooled = x.mean(dim=(2, 3)) if mask is None else x.sum(dim=(2, 3)) / mask.sum(dim=(2, 3))
        logits: Tensor = self.linear(pooled)
        return logits

    def fold_stream_(self, means: Tensor) -> None:
        """Fold it into the bias."""
        self.linear.bias.add_(response(self.linear.weight, means))


def _stem(architecture: Architecture) -> nn.Module:
    shape, first = architecture.input_shape, architecture.stages[0]
    if architecture.vocabulary:
        return TokenEntry(first.width, architecture.vocabulary)
    entry, channels = (SequenceEntry, shape[1]) if len(shape) == 2 else (ConvEntry, shape[0])
    return entry(channels, first, kernel=entry_kernel(architecture), dimensions=dimensions(shape))


def _strided(mask: Tensor | None, stride: int) -> Tensor | None:
    """Return which steps are there of those that a convolution or pooling with this stride leaves."""
    return mask if mask is None else mask[..., ::stride]


def _masks(architecture: Architecture, steps: Tensor) -> list[Tensor | None]:
    mask = steps[:, None, None, :]
    divided = accumulate(strides(architecture), mul, initial=1)
    return [mask[..., ::stride] for stride in divided]


@lru_cache
def _parts(dimensions: int, kernel: int) -> Parts:
    return Parts(
        stem=_stem,
        transition=partial(ConvEntry, kernel=kernel, dimensions=dimensions),
        link=partial(ConvLink, dimensions=dimensions),
        blocks={
            "conv": partial(ConvBlock, dimensions=dimensions),
            "separable": partial(SeparableBlock, dimensions=dimensions),
        },
        head=ConvHead,
        silent="readers",
        channel_axis=1,
        masks=_masks,
    )


def convolutional_parts(architecture: Architecture) -> Parts:
    """Return the modules for what a child reads: along how many dimensions they convolve, and how far."""
    return _parts(dimensions(architecture.input_shape), entry_kernel(architecture))
