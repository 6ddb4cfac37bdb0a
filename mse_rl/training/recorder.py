"""Statistics of the blocks of a child, gathered while it trains, at no pass of its own."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm
from torch.utils.hooks import RemovableHandle

from mse_rl.networks import Child
from mse_rl.networks.parts import ResidualBlock
from mse_rl.transformations import BlockStatistics, ChildStatistics, InputStatistics

RECORDED_STEPS = 3
"""Steps of a slice that are looked at, spread evenly; the last is one of them."""


def recorded_steps(steps: range) -> set[int]:
    """Return the steps of a slice that are looked at."""
    return {steps[-1 - index * len(steps) // RECORDED_STEPS] for index in range(RECORDED_STEPS)}


_Key = tuple[str, nn.Module]
"""What was seen of a map: the ``"mean"`` of its inputs, their ``"importance"``, or a block's ``"update"``."""


class SliceRecorder:
    """Looks at some training steps of a slice.

    A recorded step is ``watch(batch)``, forward, backward, ``read_gradients()``.

    Args:
        child: in training.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._axis = child.parts.channel_axis
        self._steps: list[dict[_Key, Tensor]] = []
        self._hooks: list[RemovableHandle] = []
        self._masks: dict[tuple[int, ...], Tensor] = {}

    def watch(self, batch: Tensor) -> None:
        """Record the activations of the next forward pass, which is over ``batch``.

        Padding says nothing, and does not count.
        """
        self._masks = {tuple(mask.shape): mask for mask in self._child.masks(batch) if mask is not None}
        self._steps.append({})
        for _, block in self._child.blocks():
            self._hooks.append(block.first.register_forward_pre_hook(self._see_inputs))
            self._hooks.append(block.last.register_forward_hook(self._see_units_and_update))
        for module in self._others():
            self._hooks.append(module.register_forward_pre_hook(self._see_inputs))

    def _others(self) -> Iterator[nn.Linear | nn.Conv2d]:
        """Yield the maps besides those of the blocks that read a stream."""
        for stage in range(len(self._child.stages)):
            yield self._child.leaving(stage)
        for link in self._child.architecture.links:
            yield self._child.link(link)

    def _see_inputs(self, module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        self._steps[-1]["mean", module] = self._mean(arguments[0])

    def _see_units_and_update(self, module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
        self._see_inputs(module, arguments)
        self._steps[-1]["update", module] = self._mean(output)

    def _mean(self, x: Tensor) -> Tensor:
        """Return the mean (channels,) of a stream's tensor, over all else."""
        x, axis = x.detach(), self._axis % x.dim()
        others = [dim for dim in range(x.dim()) if dim != axis]
        # Streams of one shape have one mask: where the resolution is another, so is the shape.
        mask = self._masks.get((*x.shape[:axis], 1, *x.shape[axis + 1 :]))
        return x.mean(others) if mask is None else (x * mask).sum(others) / mask.sum()

    @torch.no_grad()
    def read_gradients(self) -> None:
        """Record the gradients of the step, before the optimizer uses them."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        seen = self._steps[-1]
        for _, block in self._child.blocks():
            seen["importance", block.first] = _taylor(block.stream_readers)
            seen["importance", block.last] = _taylor(block.unit_readers)
        for module in self._others():
            seen["importance", module] = _taylor((module.weight,))

    def statistics(self) -> ChildStatistics:
        """Return the statistics, while the gradients of the last step still exist."""
        averages, norms = self._averages(), self._norms()

        def reading(module: nn.Module) -> InputStatistics:
            return InputStatistics(averages["importance", module], averages["mean", module])

        def of_block(block: ResidualBlock) -> BlockStatistics:
            gradient, weight = norms[block]
            units = reading(block.last)
            return BlockStatistics(
                gradient_norm=gradient,
                growth_score=gradient / (weight + 1e-12),
                # A mean is exactly zero where all that was seen is.
                dead_fraction=sum(mean == 0 for mean in units.mean) / len(units.mean),
                stream=reading(block.first),
                units=units,
                update=averages["update", block.last],
            )

        return ChildStatistics(
            {position: of_block(block) for position, block in self._child.blocks()},
            {stage: reading(self._child.leaving(stage)) for stage in range(len(self._child.stages))},
            {link: reading(self._child.link(link)) for link in self._child.architecture.links},
        )

    def _averages(self) -> dict[_Key, tuple[float, ...]]:
        """Return what was seen, averaged over the steps; all at once, for a GPU is waited for."""
        keys = list(self._steps[0])
        flat = torch.stack([torch.cat([step[key] for key in keys]) for step in self._steps])
        values = iter(flat.mean(0).tolist())
        return {key: tuple(islice(values, len(self._steps[0][key]))) for key in keys}

    def _norms(self) -> dict[ResidualBlock, tuple[float, float]]:
        """Return for each block the norms of its gradients and of its weights."""
        norms = []
        for _, block in self._child.blocks():
            parameters = list(block.parameters())
            norms.append(get_total_norm([p.grad for p in parameters if p.grad is not None]))
            norms.append(get_total_norm([p.detach() for p in parameters]))
        values = iter(torch.stack(norms).tolist() if norms else ())
        return {block: (next(values), next(values)) for _, block in self._child.blocks()}


def _taylor(readers: tuple[Tensor, ...]) -> Tensor:
    """Return (Σ w·∂L/∂w)² for each input (in,) of the weights (out, in, ...) that read it."""
    products = [
        (reader * reader.grad).sum([dim for dim in range(reader.dim()) if dim != 1])
        for reader in readers
        if reader.grad is not None
    ]
    return (products[0] if len(products) == 1 else torch.stack(products).sum(0)).square()
