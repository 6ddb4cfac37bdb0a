"""The only place where parameters change shape, and the optimizer's state with them."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mse_rl.architecture import Position
from mse_rl.networks import Child
from mse_rl.transformations.base import Origins


def transplant_(
    old: Child,
    new: Child,
    optimizer: Optimizer,
    *,
    origins: Origins,
    silenced: Literal["readers", "writers"],
) -> None:
    """Move the weights of ``old`` into ``new``, and point ``optimizer`` at ``new``.

    A parameter whose shape is unchanged moves as it is: ``old`` must not be used afterwards. One
    that has grown keeps its old values in front; its new entries keep what ``new`` was born with,
    but are zero where they read (dimension 1) or write (dimension 0) a new unit, as ``silenced``
    says. Parameters of new blocks keep their birth.

    The state of the optimizer goes along. Its new entries are zero for first moments (momentum,
    Adam's m), and the mean of the tensor for second ones (Adam's v): with zeros and a step count
    that is carried on, the first update would be √(1/(1-β₂)) too large.

    Args:
        old: the child before the edit.
        new: the child after it, new-born, of the same dtype and device.
        optimizer: holds the parameters of ``old``; a group's entry ``"decays"`` says whether it is
            the one of the weights, which decay, or of the vectors (biases and gains).
        origins: where each block of ``new`` stood in ``old``.
        silenced: which weights of new units are zero.
    """
    source = _origin_names(origins)
    parameters: dict[str | None, nn.Parameter] = dict(old.named_parameters())
    buffers: dict[str | None, Tensor] = dict(old.named_buffers())
    heirs: dict[Tensor, nn.Parameter] = {}
    with torch.no_grad():
        for name, tensor in list(new.named_parameters()):
            before = parameters.get(source(name))
            if before is None:
                continue
            if before.shape == tensor.shape:
                _set(new, name, before)
            else:
                _graft_(tensor, before, silenced)
                heirs[before] = tensor
        for name, buffer in list(new.named_buffers()):
            before_buffer = buffers.get(source(name))
            if before_buffer is not None:
                buffer[_kept(before_buffer)] = before_buffer
    _move_optimizer_(optimizer, new, heirs)


def _origin_names(origins: Origins) -> Callable[[str], str | None]:
    """Return the map from a name in the new child to the name in the old one, None if it is new."""

    def prefix(position: Position) -> str:
        return f"stages.{position.stage}.{position.block}."

    renamed = {prefix(new): old and prefix(old) for new, old in origins.items()}

    def source(name: str) -> str | None:
        if not name.startswith("stages."):
            return name
        head = ".".join(name.split(".")[:3]) + "."
        before = renamed[head]
        return before + name.removeprefix(head) if before else None

    return source


def _set(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(path), leaf, parameter)


def _kept(before: Tensor) -> tuple[slice, ...]:
    """Return the region of a grown tensor that holds the old values."""
    return tuple(slice(0, size) for size in before.shape)


def _graft_(tensor: Tensor, before: Tensor, silenced: str) -> None:
    """Fill the grown ``tensor`` (out, in, ...) with the old values, and silence its new units."""
    if tensor.dim() > 1:  # a vector neither reads nor mixes: biases are born zero, gains one
        dimension = {"writers": 0, "readers": 1}[silenced]
        old = before.shape[dimension]
        tensor.narrow(dimension, old, tensor.shape[dimension] - old).zero_()
    tensor[_kept(before)] = before


def _move_optimizer_(optimizer: Optimizer, new: Child, heirs: dict[Tensor, nn.Parameter]) -> None:
    """Let every parameter of ``new`` be trained, in the groups and with the state of its origin."""
    kept = set(new.parameters())
    for before in [tensor for tensor in optimizer.state if tensor not in kept]:
        state = optimizer.state.pop(before)
        if before in heirs:
            optimizer.state[heirs[before]] = {
                key: _grown_moment(value, heirs[before], second=key == "exp_avg_sq")
                for key, value in state.items()
            }
    for group in optimizer.param_groups:
        group["params"] = [p for p in new.parameters() if group["decays"] == (p.dim() > 1)]


def _grown_moment(value: object, heir: Tensor, *, second: bool) -> object:
    if not isinstance(value, Tensor) or value.dim() != heir.dim():
        return value  # the step count
    grown = torch.full_like(heir, value.mean().item() if second else 0.0)
    grown[_kept(value)] = value
    return grown
