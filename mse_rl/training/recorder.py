"""What a slice tells about the blocks of a child, gathered while it trains, at no pass of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import inf

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from mse_rl.architecture import Position
from mse_rl.networks import Child, ResidualBlock
from mse_rl.networks.sequences import mask_of
from mse_rl.transformations import BlockStatistics, ChildStatistics, Reading

RECORDED_STEPS = 3
"""Steps of a slice that are looked at, spread evenly; the last is one of them."""


def recorded_steps(steps: range) -> set[int]:
    """Return the steps of a slice that are looked at."""
    return {steps[-1 - index * len(steps) // RECORDED_STEPS] for index in range(RECORDED_STEPS)}


@dataclass
class _Seen:
    """What was seen of the inputs of one map, one entry for each recorded step."""

    means: list[Tensor] = field(default_factory=list)
    importances: list[Tensor] = field(default_factory=list)
    largest: list[Tensor] = field(default_factory=list)

    def reading(self) -> Reading:
        return Reading(_average(self.importances), _average(self.means))

    @property
    def dead_fraction(self) -> float:
        """Share of the inputs that never were anything but zero."""
        return 1 - (torch.stack(self.largest) != 0).any(0).double().mean().item()


@dataclass
class _BlockSeen:
    """What was seen of one block."""

    stream: _Seen = field(default_factory=_Seen)
    units: _Seen = field(default_factory=_Seen)
    updates: list[Tensor] = field(default_factory=list)


class SliceRecorder:
    """Looks at some training steps of a slice.

    A recorded step is ``watch(batch)``, forward, backward, ``read_gradients()``.

    Args:
        child: in training.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._axis = child.parts.channel_axis
        self._blocks = {position: _BlockSeen() for position, _ in child.blocks()}
        self._exits = {stage: _Seen() for stage in range(len(child.stages))}
        self._links = {link: _Seen() for link in child.architecture.links}
        self._hooks: list[RemovableHandle] = []
        self._tokens: Tensor | None = None

    def watch(self, batch: Tensor) -> None:
        """Look at the activations of the next forward pass, which will be over ``batch``.

        Positions without a token say nothing, and do not count.
        """
        self._tokens = mask_of(batch).squeeze(-1) if self._child.architecture.vocabulary else None
        for position, block in self._child.blocks():
            seen = self._blocks[position]
            self._see(block.first, seen.stream)
            self._see(block.last, seen.units, units=True)
            self._hooks.append(block.register_forward_hook(self._update_hook(seen)))
        for module, other in self._others():
            self._see(module, other)

    def _others(self) -> Iterator[tuple[nn.Linear | nn.Conv2d, _Seen]]:
        """Yield the maps besides those of the blocks that read a stream."""
        for stage, seen in self._exits.items():
            yield self._child.leaving(stage), seen
        for link, seen in self._links.items():
            yield self._child.link(link), seen

    def _see(self, module: nn.Module, seen: _Seen, *, units: bool = False) -> None:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs, positions = self._positions(arguments[0])
            seen.means.append(inputs.mean(positions))
            if units:
                seen.largest.append(torch.linalg.vector_norm(inputs, inf, positions))

        self._hooks.append(module.register_forward_pre_hook(hook))

    def _update_hook(self, seen: _BlockSeen) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            update, positions = self._positions(output.detach() - arguments[0].detach())
            seen.updates.append(update.mean(positions))

        return hook

    def _positions(self, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Return a stream's tensor, and its dimensions that are not that of its channels."""
        x = x.detach()
        if self._tokens is not None and x.dim() == 3:
            return x[self._tokens], (0,)  # (tokens, channels)
        return x, tuple(dim for dim in range(x.dim()) if dim != self._axis % x.dim())

    @torch.no_grad()
    def read_gradients(self) -> None:
        """Look at the gradients of the step, before the optimizer takes it."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        for position, block in self._child.blocks():
            seen = self._blocks[position]
            seen.stream.importances.append(_taylor(block.stream_readers))
            seen.units.importances.append(_taylor(block.unit_readers))
        for module, other in self._others():
            other.importances.append(_taylor((module.weight,)))

    def statistics(self) -> ChildStatistics:
        """Return what was seen, while the last step's gradients are still there."""
        return ChildStatistics(
            {position: self._of_block(position, block) for position, block in self._child.blocks()},
            {stage: seen.reading() for stage, seen in self._exits.items()},
            {link: seen.reading() for link, seen in self._links.items()},
        )

    def _of_block(self, position: Position, block: ResidualBlock) -> BlockStatistics:
        seen = self._blocks[position]
        parameters: list[Tensor] = list(block.parameters())
        gradient = _norm([p.grad for p in parameters if p.grad is not None])
        return BlockStatistics(
            gradient_norm=gradient,
            growth_score=gradient / (_norm([p.detach() for p in parameters]) + 1e-12),
            dead_fraction=seen.units.dead_fraction,
            stream=seen.stream.reading(),
            units=seen.units.reading(),
            update=_average(seen.updates),
        )


def _taylor(readers: tuple[Tensor, ...]) -> Tensor:
    """Return (Σ w·∂L/∂w)² for each input (in,) of the weights (out, in, ...) that read it."""
    products = [
        (reader * reader.grad).sum([dim for dim in range(reader.dim()) if dim != 1])
        for reader in readers
        if reader.grad is not None
    ]
    return (products[0] if len(products) == 1 else torch.stack(products).sum(0)).square()


def _average(steps: list[Tensor]) -> tuple[float, ...]:
    return tuple(torch.stack(steps).mean(0).tolist())


def _norm(tensors: list[Tensor]) -> float:
    return torch.nn.utils.get_total_norm(tensors).item()
