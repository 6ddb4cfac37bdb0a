"""A child and its optimizer, held as plain tensors: to go back to, or to be saved whole."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.architecture import Architecture
from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child, empty_child
from mse_rl.training.optimizer import make_optimizer


@dataclass(frozen=True)
class Snapshot:
    """The state of a child in training.

    Args:
        architecture: what the child is.
        weights: its state dict.
        moments: the optimizer's state, by parameter name.
    """

    architecture: Architecture
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        tensors = [*self.weights.values(), *(t for state in self.moments.values() for t in state.values())]
        return sum(tensor.nbytes for tensor in tensors)


def capture(child: Child, optimizer: Optimizer) -> Snapshot:
    """Copy the state of a child and its optimizer."""
    return Snapshot(
        child.architecture,
        {name: tensor.clone() for name, tensor in child.state_dict().items()},
        {
            name: {key: value.clone() for key, value in optimizer.state[p].items()}
            for name, p in child.named_parameters()
            if p in optimizer.state
        },
    )


def restore(
    snapshot: Snapshot, config: OptimizerConfig, device: torch.device | str
) -> tuple[Child, Optimizer]:
    """Build the child and the optimizer that ``snapshot`` was captured from."""
    child = empty_child(snapshot.architecture)
    weights = {name: tensor.to(device, copy=True) for name, tensor in snapshot.weights.items()}
    child.load_state_dict(weights, assign=True)
    child.compact_()
    optimizer = make_optimizer(child, config)
    parameters = dict(child.named_parameters())
    for name, state in snapshot.moments.items():
        optimizer.state[parameters[name]] = {key: value.clone() for key, value in state.items()}
    return child, optimizer
