"""A child and its optimizer, held as plain tensors: to go back to, or to be saved whole."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim import Optimizer

from mse_rl.architecture import Architecture
from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child, empty_child
from mse_rl.training.optimizer import make_optimizer

TENSOR_BYTES = 2048
"""What a tensor takes beside its values, with its name and what is known of its units; measured, roughly."""
_WEIGHT, _MOMENT, _LOGITS = "weight ", "moment ", "logits"


@dataclass(frozen=True)
class Snapshot:
    """The state of a child in training.

    Args:
        architecture: what the child is.
        weights: its state dict.
        moments: the optimizer's state, by parameter name.
        logits: (n, classes) its answers to the first validation samples, from the evaluation after its last
            slice; None where there was none.
    """

    architecture: Architecture
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]
    logits: Tensor | None = None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes: values, and what it takes to hold them."""
        return sum(tensor.nbytes + TENSOR_BYTES for tensor in self._tensors().values())

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name, in one piece each and on the CPU, as files hold them."""
        return {name: tensor.cpu().contiguous() for name, tensor in self._tensors().items()}

    def _tensors(self) -> dict[str, Tensor]:
        weights = {f"{_WEIGHT}{name}": tensor for name, tensor in self.weights.items()}
        moments = {
            f"{_MOMENT}{key} {name}": tensor
            for name, state in self.moments.items()
            for key, tensor in state.items()
        }
        logits = {} if self.logits is None else {_LOGITS: self.logits}
        return weights | moments | logits

    @classmethod
    def of_tensors(cls, architecture: Architecture, tensors: dict[str, Tensor]) -> "Snapshot":
        """Return the snapshot that ``to_tensors`` was called on; it has its memory format again.

        Raises:
            ValueError: if the tensors are not those of such a child.
        """
        weights, moments = {}, dict[str, dict[str, Tensor]]()
        logits = tensors.get(_LOGITS)
        for name, tensor in tensors.items():
            if name == _LOGITS:
                continue
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
            name not in expected
            or moment.shape not in ((), expected[name].shape)
            or (moment.dim() and moment.dtype != expected[name].dtype)
            for name, state in moments.items()
            for moment in state.values()
        ):
            raise ValueError(f"the tensors do not fit a child of {architecture}")
        if logits is not None and (logits.dim(), logits.shape[-1:]) != (2, (architecture.classes,)):
            raise ValueError(f"expected logits for {architecture.classes} classes, got {tuple(logits.shape)}")
        return cls(architecture, weights, moments, logits)


def capture(child: Child, optimizer: Optimizer, logits: Tensor | None = None) -> Snapshot:
    """Copy the state of a child and its optimizer; ``logits`` are kept as they are."""
    return Snapshot(
        child.architecture,
        {name: tensor.clone() for name, tensor in child.state_dict().items()},
        {
            name: {key: value.clone() for key, value in optimizer.state[p].items()}
            for name, p in child.named_parameters()
            if p in optimizer.state
        },
        logits,
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
        optimizer.state[parameters[name]] = {key: value.to(device, copy=True) for key, value in state.items()}
    return child, optimizer
