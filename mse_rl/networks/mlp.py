"""Fully connected children over flattened inputs or bags of tokens, with RMSNorm."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mse_rl.networks.layers import Activation, Embedding, Linear, RMSNorm
from mse_rl.networks.parts import Parts, ResidualBlock, he_, response, zero_
from mse_rl.spec import Architecture, Block, Stage


class LinearMap(Linear):
    """A linear map with He weights and no offset at initialization."""

    @property
    def reader(self) -> "LinearMap":
        """The map that reads the stream before: itself."""
        return self

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the map of x (..., in)."""
        return super().forward(x)

    def fold_stream_(self, means: Tensor) -> None:
        """Fold into the bias what inputs with these means (in,) contribute."""
        self.bias.add_(response(self.weight, means))

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw He weights."""
        he_(self.weight, generator)
        nn.init.zeros_(self.bias)


class LinearTransition(LinearMap):
    """A linear map from one stream to the next; there is no resolution to divide."""

    def __init__(self, inputs: int, stage: Stage) -> None:
        super().__init__(inputs, stage.width)


class LinearLink(Linear):
    """A linear map without bias, zero at initialization; there is no resolution to divide."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__(inputs, outputs, bias=False)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Set zero weights; nothing is drawn."""
        zero_(self)


class Flatten(LinearMap):
    """Flattens a sample of any shape, then maps it to the stream."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream (n, width)."""
        return super().forward(x.flatten(1))


class Bag(Embedding):
    """Token ids (n, T) to a stream (n, width), a mean of their vectors, whatever their order.

    A word that occurs c times in a text has the weight 1 + log c. Joulin et al., 2017,
    https://arxiv.org/abs/1607.01759, have the weight c, which is worse by measurement (docs/experiments.md).
    """

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream; tokens for which ``mask`` (n, T, 1) is not do not count."""
        counts = occurrences(ids).to(self.weight.dtype)
        weights = (1 + counts.log()) / counts  # of each of the c tokens
        weights = weights if mask is None else weights * mask.squeeze(-1)
        weights = weights / weights.sum(dim=1, keepdim=True)
        # never holds the (n, T, width) vectors of all tokens
        return F.embedding_bag(ids, self.weight.t(), per_sample_weights=weights, mode="sum")


def occurrences(ids: Tensor) -> Tensor:
    """Return how often each id occurs in its row of ``ids``, both (n, T)."""
    in_order, places = ids.sort(dim=1)
    differs = in_order[:, 1:] != in_order[:, :-1]
    number = F.pad(differs, (1, 0)).cumsum(dim=1)  # of the distinct id, in each row
    counts = torch.zeros_like(ids).scatter_add_(1, number, torch.ones_like(ids))
    return torch.empty_like(ids).scatter_(1, places, counts.gather(1, number))


class LinearBlock(ResidualBlock):
    """x + linear(act(linear(norm(x)))), x of shape (n, ..., width). The second map is zero at first."""

    def __init__(self, block: Block, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.first: LinearMap = LinearMap(width, block.inner)
        self.last: Linear = Linear(block.inner, width)
        self.activation = Activation(block)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw the first map; the second is zero."""
        self.norm.reset_parameters_(generator)
        self.activation.reset_parameters_(generator)
        self.first.reset_parameters_(generator)
        zero_(self.last)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return x plus what the block adds."""
        update: Tensor = self.last(self.activation(self.first(self.norm(x))))
        return x + update

    def fold_stream_(self, means: Tensor) -> None:
        """Fold it into the bias of the first map."""
        self.first.bias.add_(response(self.first.weight, means))


class Head(nn.Module):
    """Norm, then a linear map to logits (n, classes)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.norm = RMSNorm(width)
        self.linear = Linear(width, classes)

    def reset_parameters_(self, generator: torch.Generator) -> None:
        """Draw weights that start near the uniform prediction."""
        self.norm.reset_parameters_(generator)
        nn.init.normal_(self.linear.weight, std=self.linear.in_features**-0.5, generator=generator)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return logits."""
        logits: Tensor = self.linear(self.norm(x))
        return logits

    def fold_stream_(self, means: Tensor) -> None:
        """Fold into the bias what dimensions with these means (width,), behind the norm, contribute."""
        self.linear.bias.add_(response(self.linear.weight, means))


def _stem(architecture: Architecture) -> nn.Module:
    width = architecture.stages[0].width
    if architecture.vocabulary:
        return Bag(width, architecture.vocabulary)
    return Flatten(architecture.input_size, width)


def _masks(architecture: Architecture, steps: Tensor) -> list[Tensor | None]:
    """Return the mask of tokens for the stem; behind it one vector is all there is."""
    tokens = steps.unsqueeze(-1) if architecture.vocabulary else None
    return [tokens, *[None] * len(architecture.stages)]


MLP = Parts(
    stem=_stem,
    transition=LinearTransition,
    link=LinearLink,
    blocks={"linear": LinearBlock},
    head=Head,
    silent="writers",
    channel_axis=-1,
    masks=_masks,
)
