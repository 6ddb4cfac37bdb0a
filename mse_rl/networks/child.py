"""The child network: an ``nn.Module`` derived from an Architecture."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mse_rl.architecture import Architecture, Position
from mse_rl.errors import InvalidArchitecture, unknown_name
from mse_rl.networks.cnn import CNN
from mse_rl.networks.family import Family
from mse_rl.networks.mlp import MLP

FAMILIES: dict[str, Family] = {"cnn": CNN, "mlp": MLP}


class Child(nn.Module):
    """The network that an architecture describes.

    Its modules are ``stem``, ``transitions.S`` into stage S + 1, ``stages.S.B`` for block B of
    stage S, and ``head``.

    Raises:
        InvalidArchitecture: if there is no such family, kind of block or activation.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        if architecture.family not in FAMILIES:
            raise InvalidArchitecture(unknown_name("family", architecture.family, FAMILIES))
        family = FAMILIES[architecture.family]
        for _, block in architecture:
            if block.kind not in family.blocks:
                raise InvalidArchitecture(unknown_name("kind of block", block.kind, family.blocks))
        widths = [stage.width for stage in architecture.stages]
        self.architecture = architecture
        self.stem = family.stem(architecture)
        self.transitions = nn.ModuleList(map(family.transition, widths[:-1], widths[1:]))
        self.stages = nn.ModuleList(
            nn.ModuleList(family.blocks[block.kind](block, stage.width) for block in stage.blocks)
            for stage in architecture.stages
        )
        self.head = family.head(widths[-1], architecture.classes)

    def birth_(self, generator: torch.Generator) -> None:
        """Draw every weight anew."""
        for module in (self.stem, *self.transitions, *(block for _, block in self.blocks()), self.head):
            module.birth_(generator)

    def blocks(self) -> Iterator[tuple[Position, nn.Module]]:
        """Yield every residual block with its position."""
        for position, _ in self.architecture:
            yield position, self.block(position)

    def block(self, position: Position) -> nn.Module:
        """Return the block at ``position``."""
        stage = self.stages[position.stage]
        assert isinstance(stage, nn.ModuleList)
        return stage[position.block]

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (n, *input_shape) to logits (n, classes)."""
        x = self.stem(x)
        for s, stage in enumerate(self.stages):
            if s > 0:
                x = self.transitions[s - 1](x)
            assert isinstance(stage, nn.ModuleList)
            for block in stage:
                x = block(x)
        logits: Tensor = self.head(x)
        return logits


def empty_child(architecture: Architecture) -> Child:
    """Return a child without memory for its weights, on torch's meta device.

    To be filled by ``load_state_dict(..., assign=True)``. Made on a real device, torch would draw
    weights of its own, from its global generator.
    """
    with torch.device("meta"):
        return Child(architecture)


def build_child(
    architecture: Architecture,
    *,
    generator: torch.Generator,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Child:
    """Build a child with new weights.

    Args:
        architecture: what to build.
        generator: draws the weights; on ``device``.
        device: where the child lives.
        dtype: of its parameters.
    """
    child = empty_child(architecture)
    child.to_empty(device=device).to(dtype)
    child.to(memory_format=torch.channels_last)  # convolutions follow their weights: 1.3x at 28x28
    with torch.no_grad():
        child.birth_(generator)
    return child
