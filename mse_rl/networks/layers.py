"""torch's layers, without the weights that they would draw for themselves: ``reset_parameters_`` draws them.

So nothing touches torch's global generator, and no time goes into numbers that are replaced.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.errors import InvalidArchitecture, unknown_name
from mse_rl.spec import PADDING, Block

MOMENTUM = 0.3
"""How far running statistics of BatchNorm go towards those of a batch."""


class Linear(nn.Linear):
    """A linear map; its weights are drawn by whoever holds it."""

    def reset_parameters(self) -> None:
        """Do nothing: the owner draws the weights."""


def sides(side: int, dimensions: int) -> tuple[int, int]:
    """Return (height, width) of a kernel or stride: a sequence is an image of height 1."""
    return (side if dimensions == 2 else 1, side)


class Conv2d(nn.Conv2d):
    """A convolution in channels_last, as fast as it gets on CPU: 1.3x at 28x28.

    In one dimension it is one of height 1, which is 1.3x to 2.6x as fast as torch's Conv1d.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        dimensions: int,
        stride: int = 1,
        bias: bool,
        groups: int = 1,
    ) -> None:
        super().__init__(
            inputs,
            outputs,
            sides(kernel, dimensions),
            stride=sides(stride, dimensions),
            padding=(kernel // 2 if dimensions == 2 else 0, kernel // 2),
            bias=bias,
            groups=groups,
        )
        self.weight.data = self.weight.data.to(memory_format=torch.channels_last)

    def reset_parameters(self) -> None:
        """Do nothing: the owner draws the weights."""


class BatchNorm2d(nn.BatchNorm2d):
    """torch's, with running statistics that follow the batches faster: momentum 0.3 instead of 0.1.

    Children change quickly: with 0.1 the statistics lag behind, and a child that trains well fails in
    evaluation (skill 0.02 at a training loss of 1.5 was seen). A batch has hundreds of positions per
    channel, so there is little noise to average out.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width, momentum=MOMENTUM)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x (n, width, H, W), normalised.

        Where ``mask`` (n, 1, H, W) is not, the statistics do not see x, and the output is 0.
        """
        if mask is None:
            return super().forward(x)
        if not self.training:
            return super().forward(x) * mask
        return self._over_what_is_there(x, mask)

    def _over_what_is_there(self, x: Tensor, mask: Tensor) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # (n · H · W, width), as they lie in memory
        there = mask.flatten().unsqueeze(1).to(self.weight.dtype)
        count = there.sum()
        mean = (rows * there).sum(0) / count
        centred = (rows - mean) * there
        variance = centred.square().sum(0) / count
        self._follow_(mean.detach(), variance.detach() * (count / (count - 1).clamp(min=1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised = torch.addcmul(there * self.bias, centred, scale)
        return normalised.view(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)

    def _follow_(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, MOMENTUM)
        self.running_var.lerp_(variance, MOMENTUM)
        self.num_batches_tracked += 1


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

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Set unit gain; nothing is drawn."""
        nn.init.ones_(self.weight)
        self.eps.fill_(EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised."""
        return x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.eps) * self.weight

    @torch.no_grad()
    def rescale_(self, width_before: int) -> None:
        """Keep the output where zero dimensions have been added to, or removed from, ``width_before`` ones.

        mean(x²) changes by d/d', so eps changes with it, and the old gains by √(d/d').
        """
        share = width_before / len(self.weight)
        self.weight[:width_before] *= share**0.5
        self.eps *= share


def steps_there(x: Tensor) -> Tensor | None:
    """Return which steps (n, T) of sequences (n, T, F) or token ids (n, T) are there; the first always is.

    On the CPU None stands for all of them, and saves the work that masks make. Elsewhere to look would be to
    wait for the device, and a CUDA graph could not repeat what came of it.
    """
    missing = x == PADDING if x.dim() == 2 else x.isnan().all(dim=2)
    if x.device.type == "cpu" and not missing.any():
        return None
    numbers = torch.arange(1, x.shape[1] + 1, device=x.device)
    lengths = numbers.masked_fill(missing, 1).amax(dim=1, keepdim=True)  # (n, 1)
    return numbers <= lengths


def without_gaps(x: Tensor) -> Tensor:
    """Return sequences (n, T, F) with 0 for NaN; token ids as they are."""
    return x.masked_fill(x.isnan(), 0) if x.is_floating_point() else x


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
}


class Activation(nn.Module):
    """The non-linearity of a block: (1 - alpha) · old(x) + alpha · new(x) while it fades, then new(x).

    ``alpha`` is a buffer, 0 at initialization, and there only while the activation fades.
    """

    alpha: Tensor

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.new = function(block.activation)
        self.old = None if block.fading is None else function(block.fading)
        if self.old is not None:
            self.register_buffer("alpha", torch.empty(()))

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Begin with the old non-linearity; nothing is drawn."""
        if self.old is not None:
            self.alpha.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of x."""
        if self.old is None:
            return self.new(x)
        return torch.lerp(self.old(x), self.new(x), self.alpha)

    def settle_(self) -> None:
        """Drop the old non-linearity."""
        if self.old is not None:
            self.old = None
            del self.alpha


def function(name: str) -> Callable[[Tensor], Tensor]:
    """Return the non-linearity of that name.

    Raises:
        InvalidArchitecture: if there is none.
    """
    if name not in FUNCTIONS:
        raise InvalidArchitecture(unknown_name("activation", name, FUNCTIONS))
    return FUNCTIONS[name]


EMBEDDING_STD = 0.05
"""Standard deviation of new vectors. With 1, the random vectors of rare words outweigh all that is learnt of
them: on twenty_newsgroups 0.05 is 9 points better."""


class Embedding(nn.Module):
    """Token ids (n, T) to a stream (n, T, width).

    The weight is (width, vocabulary): what is written comes first, as in a linear map of one-hot tokens. In
    memory the vector of a token is in one piece: it is read and written several times faster so.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocabulary, width).t())

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw small normal vectors."""
        nn.init.normal_(self.weight, std=EMBEDDING_STD, generator=generator)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream."""
        return F.embedding(ids, self.weight.t())
