"""Architecture in, ``nn.Module`` out: the child network.

A new family is a file here with its line in PARTS.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Literal

import torch
from torch import Tensor, nn

from mse_rl.costs import cost
from mse_rl.errors import InvalidArchitecture, unknown_name
from mse_rl.networks.cnn import convolutional_parts
from mse_rl.networks.layers import Activation, Embedding, steps_there, without_gaps
from mse_rl.networks.mlp import MLP
from mse_rl.networks.parts import Parts, ResidualBlock, Shortenable, part_specs
from mse_rl.networks.rnn import RNN
from mse_rl.networks.transformer import TRANSFORMER, Positions
from mse_rl.spec import ENTRY, Architecture, Link, Position, require_readable

Role = Literal["hidden", "table", "vector"]
"""The weight of a hidden map; an embedding or the classifier; a bias or gain."""
PARTS: dict[str, Callable[[Architecture], Parts]] = {
    "cnn": convolutional_parts,
    "mlp": lambda _: MLP,
    "rnn": lambda _: RNN,
    "transformer": lambda _: TRANSFORMER,
}


class Child(nn.Module):
    """The network that an architecture describes.

    Its parts are ``stem``, ``transitions.S`` into stage S + 1, ``stages.S.B`` for block B of
    stage S, ``links.N`` for link N, and ``head``.

    Args:
        architecture: what to build.
        reuse: parts that are there already, by name.

    Raises:
        InvalidArchitecture: if there is no such family, kind of block or activation, or the family
            cannot read the input.
    """

    def __init__(self, architecture: Architecture, reuse: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        require_readable(architecture.family, architecture.inputs)
        self._has_steps = architecture.inputs.kind in ("sequence", "tokens")
        self.architecture, self.parts = architecture, PARTS[architecture.family](architecture)
        for _, block in architecture:
            if block.kind not in self.parts.blocks:
                raise InvalidArchitecture(unknown_name("kind of block", block.kind, self.parts.blocks))
        modules = self._modules_of(architecture, reuse or {})
        self.stem = modules["stem"]
        self.transitions = nn.ModuleList(
            modules[f"transitions.{stage}"] for stage in range(len(architecture.stages) - 1)
        )
        self.stages = nn.ModuleList(
            nn.ModuleList(modules[f"stages.{s}.{b}"] for b in range(len(stage.blocks)))
            for s, stage in enumerate(architecture.stages)
        )
        self.links = nn.ModuleList(modules[f"links.{index}"] for index in range(len(architecture.links)))
        self.head = modules["head"]

    def _modules_of(self, architecture: Architecture, reuse: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
        """Return every part by name, in the order in which weights are drawn."""
        make: dict[str, Callable[..., nn.Module]] = {
            "stem": lambda *_: self.parts.stem(architecture),
            "transitions": self.parts.transition,
            "stages": lambda block, width: self.parts.blocks[block.kind](block, width),
            "links": self.parts.link,
            "head": self.parts.head,
        }
        return {
            name: reuse[name] if name in reuse else make[name.partition(".")[0]](*spec)
            for name, spec in part_specs(architecture).items()
        }

    def blocks(self) -> Iterator[tuple[Position, ResidualBlock]]:
        """Yield every residual block with its position."""
        for position, _ in self.architecture:
            yield position, self.block(position)

    def block(self, position: Position) -> ResidualBlock:
        """Return the block at ``position``."""
        stage = self.stages[position.stage]
        assert isinstance(stage, nn.ModuleList)
        block = stage[position.block]
        assert isinstance(block, ResidualBlock)
        return block

    def incoming(self, position: Position) -> Iterator[tuple[Link, nn.Module]]:
        """Yield the links into the block at ``position``."""
        for link, module in zip(self.architecture.links, self.links, strict=True):
            if link.target == position:
                yield link, module

    def link(self, link: Link) -> nn.Linear | nn.Conv2d:
        """Return the projection of a link."""
        module = self.links[self.architecture.links.index(link)]
        assert isinstance(module, nn.Linear | nn.Conv2d)
        return module

    def exit(self, stage: int) -> nn.Module:
        """Return the part that reads the stream of ``stage`` as it leaves it: a transition, or the head."""
        last = stage == len(self.architecture.stages) - 1
        return self.head if last else self.transitions[stage]

    def leaving(self, stage: int) -> nn.Linear | nn.Conv2d:
        """Return the map by which the stream of ``stage`` leaves it: a transition's, or the classifier."""
        part = self.exit(stage)
        module = part.linear if part is self.head else part.reader
        assert isinstance(module, nn.Linear | nn.Conv2d)
        return module

    def forward(self, inputs: Tensor) -> Tensor:
        """Map samples (n, *input_shape) to logits (n, classes); NaN and PADDING are padding."""
        steps = self._steps(inputs)
        masks = self._masks(steps)
        sources = {link.source for link in self.architecture.links}
        streams: dict[Position, Tensor] = {}
        x = inputs if steps is None else without_gaps(inputs)
        for position in self.architecture.sites:
            before, mask = masks[position.stage : position.stage + 2]
            if position.block == ENTRY:
                entry = self.transitions[position.stage - 1] if position.stage else self.stem
                x = _masked(entry(x, before), mask)
            else:
                for link, project in self.incoming(position):
                    x = x + project(streams[link.source])
                x = _masked(self.block(position)(x, mask), mask)
            if position in sources:
                streams[position] = x
        logits: Tensor = self.head(x, masks[-1])
        return logits

    def masks(self, inputs: Tensor) -> list[Tensor | None]:
        """Return which steps are there of what each entry reads, and of what the head does.

        They broadcast over the stream; None where all is there, as it is in images and vectors.
        """
        return self._masks(self._steps(inputs))

    def _steps(self, inputs: Tensor) -> Tensor | None:
        return steps_there(inputs) if self._has_steps else None

    def _masks(self, steps: Tensor | None) -> list[Tensor | None]:
        if steps is None:
            return [None] * (len(self.stages) + 1)
        return self.parts.masks(self.architecture, steps)

    def roles(self) -> dict[nn.Parameter, Role]:
        """Return the role of each parameter, by which optimizers group them."""
        last = len(self.architecture.stages) - 1
        tables = {self.leaving(last).weight}
        tables |= {m.weight for m in self.stem.modules() if isinstance(m, Embedding | Positions)}
        return {
            parameter: "vector" if parameter.dim() < 2 else "table" if parameter in tables else "hidden"
            for parameter in self.parameters()
        }

    def compact_(self) -> None:
        """Lay recurrent weights out in one piece, as cuDNN asks for; nothing happens on CPU."""
        for module in self.modules():
            if isinstance(module, nn.RNNBase):
                module.flatten_parameters()

    @torch.no_grad()
    def shorten_(self) -> None:
        """Shorten weights whose norm means nothing to the function, where a family has such."""
        for module in self.modules():
            if module is not self and isinstance(module, Shortenable):
                module.shorten_()

    def fade_(self, alpha: float) -> None:
        """Set how far activations have gone over to their new non-linearities, from 0 to 1."""
        for module in self.modules():
            if isinstance(module, Activation) and module.old is not None:
                module.alpha.fill_(alpha)

    def settle_activations_(self) -> None:
        """Drop the old non-linearities. The function is kept where they had faded to the end."""
        self.architecture = self.architecture.settled()
        for module in self.modules():
            if isinstance(module, Activation):
                module.settle_()


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    """Set the stream to zero at padding."""
    return x if mask is None else x * mask


def empty_child(architecture: Architecture) -> Child:
    """Return a child without memory for its weights, on torch's meta device.

    To be filled by ``load_state_dict(..., assign=True)``.

    Raises:
        InvalidArchitecture: if no child can have it, or it is too large.
    """
    try:
        with torch.device("meta"):
            return Child(architecture)
    except (RuntimeError, TypeError) as error:  # sizes whose product is beyond all numbers
        raise InvalidArchitecture(
            f"expected a child that fits into memory, got {cost(architecture).parameters:,} parameters"
        ) from error


def build_child(
    architecture: Architecture,
    *,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    reuse: Mapping[str, nn.Module] | None = None,
) -> Child:
    """Build a child with new weights.

    Args:
        architecture: what to build.
        generator: draws the weights; on ``device``.
        device: where the child lives.
        dtype: of its parameters.
        reuse: parts that are there already, by name; they keep their weights.
    """
    device = torch.device(device)
    # torch looks at every call within such a context, so it is left out where it changes nothing.
    with nullcontext() if device == torch.get_default_device() else device:
        child = Child(architecture, reuse)
    for name in part_specs(architecture):
        if name not in (reuse or {}):
            part = child.get_submodule(name)
            if dtype != torch.get_default_dtype():  # in which it was made; to() walks over all of it
                part.to(dtype)
            with torch.no_grad():
                part.reset_parameters_(generator)  # type: ignore[operator]
    return child
