"""A child and its optimizer, held as plain tensors: to go back to, or to be saved whole."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.architecture import Architecture
from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child, empty_child
from mse_rl.training.optimizer import make_optimizer

_WEIGHT, _MOMENT = "weight ", "moment "


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

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, in one piece each and on the CPU, as files hold them."""
        weights = {f"{_WEIGHT}{name}": tensor for name, tensor in self.weights.items()}
        moments = {
            f"{_MOMENT}{key} {name}": tensor
            for name, state in self.moments.items()
            for key, tensor in state.items()
        }
        return {name: tensor.cpu().contiguous() for name, tensor in (weights | moments).items()}

    @classmethod
    def of_tensors(cls, architecture: Architecture, tensors: dict[str, Tensor]) -> "Snapshot":
        """Return the snapshot that ``to_tensors`` was called on; it has its memory format again.

        Raises:
            ValueError: if the tensors are not those of such a child.
        """
        weights, moments = {}, dict[str, dict[str, Tensor]]()
        for name, tensor in tensors.items():
            tensor = tensor.to(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
            if name.startswith(_WEIGHT):
                weights[name.removeprefix(_WEIGHT)] = tensor
            else:
                key, _, parameter = name.removeprefix(_MOMENT).partition(" ")
                moments.setdefault(parameter, {})[key] = tensor
        expected = empty_child(architecture).state_dict()
        same = weights.keys() == expected.keys() and all(
            (tensor.shape, tensor.dtype) == (expected[name].shape, expected[name].dtype)
            for name, tensor in weights.items()
        )
        if not same or any(
            name not in expected or moment.shape not in ((), expected[name].shape)
            for name, state in moments.items()
            for moment in state.values()
        ):
            raise ValueError(f"the tensors do not fit a child of {architecture}")
        return cls(architecture, weights, moments)


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
