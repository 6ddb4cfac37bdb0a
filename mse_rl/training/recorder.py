"""What a slice tells about the blocks of a child, gathered while it trains, at no pass of its own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

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
class _Sums:
    """What was seen of the inputs of one map, added up over the recorded steps."""

    mean: Tensor | float = 0.0
    importance: Tensor | float = 0.0
    alive: Tensor | None = None

    def reading(self, steps: int) -> Reading:
        return Reading(
            tuple((torch.as_tensor(self.importance) / steps).tolist()),
            tuple((torch.as_tensor(self.mean) / steps).tolist()),
        )


@dataclass
class _BlockSums:
    """What was seen of one block."""

    stream: _Sums = field(default_factory=_Sums)
    units: _Sums = field(default_factory=_Sums)
    update: Tensor | float = 0.0


class SliceRecorder:
    """Looks at some training steps of a slice.

    A recorded step is ``watch(batch)``, forward, backward, ``read_gradients()``.

    Args:
        child: in training.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._axis = child.parts.channel_axis
        self._blocks = {position: _BlockSums() for position, _ in child.blocks()}
        self._exits = {stage: _Sums() for stage in range(len(child.stages))}
        self._links = {link: _Sums() for link in child.architecture.links}
        self._hooks: list[RemovableHandle] = []
        self._steps = 0
        self._tokens: Tensor | None = None

    def watch(self, batch: Tensor) -> None:
        """Look at the activations of the next forward pass, which will be over ``batch``.

        Positions without a token say nothing, and do not count.
        """
        self._tokens = mask_of(batch).squeeze(-1) if self._child.architecture.vocabulary else None
        for position, block in self._child.blocks():
            block_sums = self._blocks[position]
            self._see(block.first, block_sums.stream)
            self._see(block.last, block_sums.units, units=True)
            self._hooks.append(block.register_forward_hook(self._update_hook(block_sums)))
        for module, sums in self._others():
            self._see(module, sums)

    def _others(self) -> Iterator[tuple[nn.Linear | nn.Conv2d, _Sums]]:
        """Yield the maps besides those of the blocks that read a stream."""
        for stage, sums in self._exits.items():
            yield self._child.leaving(stage), sums
        for link, sums in self._links.items():
            yield self._child.link(link), sums

    def _see(self, module: nn.Module, sums: _Sums, *, units: bool = False) -> None:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            inputs = self._by_channel(arguments[0])
            sums.mean = sums.mean + inputs.mean(1)
            if units:
                alive = (inputs != 0).any(1)
                sums.alive = alive if sums.alive is None else sums.alive | alive

        self._hooks.append(module.register_forward_pre_hook(hook))

    def _update_hook(self, sums: _BlockSums) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            sums.update = sums.update + self._by_channel(output - arguments[0]).mean(1)

        return hook

    def _by_channel(self, x: Tensor) -> Tensor:
        """Return (channels, samples and positions) of a stream's tensor."""
        x = x.detach()
        if self._tokens is not None and x.dim() == 3:
            x = x[self._tokens]  # (tokens, channels)
        return x.transpose(0, self._axis).flatten(1)

    @torch.no_grad()
    def read_gradients(self) -> None:
        """Look at the gradients of the step, before the optimizer takes it."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self._steps += 1
        for position, block in self._child.blocks():
            stream, units = self._blocks[position].stream, self._blocks[position].units
            stream.importance = stream.importance + _taylor(block.stream_readers)
            units.importance = units.importance + _taylor(block.unit_readers)
        for module, sums in self._others():
            sums.importance = sums.importance + _taylor((module.weight,))

    def statistics(self) -> ChildStatistics:
        """Return what was seen, while the last step's gradients are still there."""
        return ChildStatistics(
            {position: self._of_block(position, block) for position, block in self._child.blocks()},
            {stage: sums.reading(self._steps) for stage, sums in self._exits.items()},
            {link: sums.reading(self._steps) for link, sums in self._links.items()},
        )

    def _of_block(self, position: Position, block: ResidualBlock) -> BlockStatistics:
        sums = self._blocks[position]
        parameters: list[Tensor] = list(block.parameters())
        gradient = _norm([p.grad for p in parameters if p.grad is not None])
        assert sums.units.alive is not None
        return BlockStatistics(
            gradient_norm=gradient,
            growth_score=gradient / (_norm([p.detach() for p in parameters]) + 1e-12),
            dead_fraction=1 - sums.units.alive.double().mean().item(),
            stream=sums.stream.reading(self._steps),
            units=sums.units.reading(self._steps),
            update=tuple((torch.as_tensor(sums.update) / self._steps).tolist()),
        )


def _taylor(readers: tuple[Tensor, ...]) -> Tensor:
    """Return (Σ w·∂L/∂w)² for each input (in,) of the weights (out, in, ...) that read it."""
    products = [
        (reader * reader.grad).transpose(0, 1).flatten(1).sum(1)
        for reader in readers
        if reader.grad is not None
    ]
    return torch.stack(products).sum(0).square()


def _norm(tensors: list[Tensor]) -> float:
    return torch.nn.utils.get_total_norm(tensors).item()
