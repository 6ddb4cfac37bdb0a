"""The only place where parameters change shape, and the optimizer's state with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight
from torch.optim import SGD, Optimizer

from mse_rl.networks import Child
from mse_rl.networks.parts import ResidualBlock, part_specs
from mse_rl.spec import Architecture, Link, Position
from mse_rl.transformations.base import Axis, Origins


def transplant_(
    old: Child,
    new: Child,
    optimizer: Optimizer,
    *,
    origins: Origins,
    axis: Axis | None = None,
    silenced: Literal["readers", "writers"] = "readers",
) -> None:
    """Move the weights of ``old`` into ``new``, and point ``optimizer`` at ``new``.

    A parameter whose shape is unchanged moves as it is: ``old`` must not be used afterwards. In one
    that is resized the kept units take their old values along, gate by gate; new units keep what
    ``new`` was initialized with, but are zero where an old unit reads them (dimension 1) or where they are
    written (dimension 0), as ``silenced`` says; kernels are padded with zeros. Parameters of new blocks
    and links keep their initial values.

    The state of the optimizer goes along. Its new entries are zero for first moments (momentum,
    Adam's m), and the mean of the tensor for second ones (Adam's v): with zeros and a step count
    that is carried on, the first update would be √(1/(1-β₂)) too large.

    Args:
        old: the child before the edit.
        new: the child after it, newly initialized, of the same dtype and device.
        optimizer: holds the parameters of ``old``; a group's entry ``"role"`` says whether it is the one of
            hidden maps, of tables, or of vectors.
        origins: where each block of ``new`` stood in ``old``.
        axis: the units of the axis that is resized.
        silenced: which weights of new units are zero.
    """
    source = _origin_names(old.architecture, new.architecture, origins)
    heirs: dict[Tensor, nn.Parameter] = {}
    resizing = _Resizing(axis, next(new.parameters()).device)
    with torch.no_grad():
        for name in part_specs(new.architecture):
            origin = source(name)
            if origin is not None:
                before, after = old.get_submodule(origin), new.get_submodule(name)
                if before is not after:
                    heirs |= _transplant_part_(before, after, resizing, silenced)
        _move_optimizer_(optimizer, new, heirs, resizing)


def _transplant_part_(
    old: nn.Module, new: nn.Module, resizing: "_Resizing", silenced: str
) -> dict[Tensor, nn.Parameter]:
    """Move the weights of one part; return the new parameter for each old one that is resized."""
    parameters, buffers = dict(old.named_parameters()), dict(old.named_buffers())
    heirs: dict[Tensor, nn.Parameter] = {}
    for name, tensor in list(new.named_parameters()):
        before = parameters[name]
        if before.shape == tensor.shape:
            _set(new, name, before)
        else:
            resizing.silence_(tensor, before, silenced)
            resizing.fill_(tensor, before)
            heirs[before] = tensor
    for name, buffer in new.named_buffers():
        if name in buffers:  # an activation that begins to fade has a new one
            resizing.fill_(buffer, buffers[name])
    return heirs


def unchanged_parts(old: Child, after: Architecture, origins: Origins) -> dict[str, nn.Module]:
    """Return the parts of ``old`` that a child after the edit can use as they are, by their new names."""
    source = _origin_names(old.architecture, after, origins)
    before = part_specs(old.architecture)
    return {
        name: old.get_submodule(origin)
        for name, spec in part_specs(after).items()
        if (origin := source(name)) is not None and before.get(origin) == spec
    }


def _origin_names(old: Architecture, new: Architecture, origins: Origins) -> Callable[[str], str | None]:
    """Return the map from a part of the new child to that of the old one, None if it is new."""
    renamed: dict[str, str | None] = {
        f"stages.{at.stage}.{at.block}": origin and f"stages.{origin.stage}.{origin.block}"
        for at, origin in origins.items()
    }
    links = {link: f"links.{index}" for index, link in enumerate(old.links)}
    for index, link in enumerate(new.links):
        ends = [origins.get(end, end) for end in link]  # entries stay
        renamed[f"links.{index}"] = links.get(Link(*(end for end in ends if end))) if all(ends) else None

    return lambda name: renamed.get(name, name)


def _set(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
    path, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(path), leaf, parameter)


@dataclass(frozen=True)
class _Places:
    """Indices along a dimension that is resized.

    Args:
        before: of what stays, in the old tensor.
        after: of what stays, in the new one.
        fresh: of what is new, in the new one.
    """

    before: Tensor
    after: Tensor
    fresh: Tensor


class _Resizing:
    """Moves the numbers of tensors whose dimensions 0 and 1 may hold the units of an axis.

    Args:
        axis: the units; None if none are resized.
        device: of the tensors.
    """

    def __init__(self, axis: Axis | None, device: torch.device) -> None:
        self._axis, self._device = axis, device
        self._places: dict[int, _Places] = {}

    def fill_(self, new: Tensor, old: Tensor, border: float = 0.0) -> None:
        """Overwrite in ``new`` what stays of ``old``; a kernel that has grown has ``border`` all around."""
        rows, columns = self._along(0, old, new), self._along(1, old, new)
        value = old
        if rows is not None:
            value = value.index_select(0, rows.before)
        if columns is not None:
            value = value.index_select(1, columns.before)
        if value.shape[2:] != new.shape[2:]:
            margins = [(a - b) // 2 for a, b in zip(new.shape[:1:-1], value.shape[:1:-1], strict=True)]
            value = F.pad(value, [margin for margin in margins for _ in (0, 1)], value=border)
        if rows is not None and columns is not None:
            new[rows.after.unsqueeze(1), columns.after] = value
        elif rows is not None:
            new.index_copy_(0, rows.after, value)
        elif columns is not None:
            new.index_copy_(1, columns.after, value)
        else:
            new.copy_(value)

    def silence_(self, new: Tensor, old: Tensor, silenced: str) -> None:
        """Set to zero what lets new units change the function, in a new tensor (out, in, ...)."""
        if new.dim() < 2:  # a vector neither reads nor mixes: biases begin at zero, gains at one
            return
        rows, columns = self._along(0, old, new), self._along(1, old, new)
        if silenced == "writers" and rows is not None:
            new.index_fill_(0, rows.fresh, 0.0)
        elif silenced == "readers" and columns is not None and rows is not None:
            new[rows.after.unsqueeze(1), columns.fresh] = 0.0
        elif silenced == "readers" and columns is not None:
            new.index_fill_(1, columns.fresh, 0.0)

    def _along(self, dimension: int, old: Tensor, new: Tensor) -> _Places | None:
        """Return the places along a dimension; None if it is not resized.

        A dimension that is not the axis itself holds its units once for every gate.
        """
        if dimension >= old.dim() or old.shape[dimension] == new.shape[dimension]:
            return None
        assert self._axis is not None
        gates = old.shape[dimension] // self._axis.before
        if gates not in self._places:
            self._places[gates] = self._found(self._axis, gates)
        return self._places[gates]

    def _found(self, axis: Axis, gates: int) -> _Places:
        starts = torch.arange(gates).unsqueeze(1) * axis.before
        units = axis.units.unsqueeze(0)
        origins = torch.where(units >= 0, units + starts, -1).flatten()
        after = (origins >= 0).nonzero().flatten()
        places = origins[after], after, (origins < 0).nonzero().flatten()
        return _Places(*(place.to(self._device) for place in places))


def _move_optimizer_(
    optimizer: Optimizer, new: Child, heirs: dict[Tensor, nn.Parameter], resizing: _Resizing
) -> None:
    """Train every parameter of ``new``, in the groups and with the state of its origin."""
    parameters = list(new.parameters())
    kept = set(parameters)
    for before in [tensor for tensor in optimizer.state if tensor not in kept]:
        state = optimizer.state.pop(before)
        if before in heirs:
            optimizer.state[heirs[before]] = {
                key: _resized_moment(value, heirs[before], resizing, second=key == "exp_avg_sq")
                for key, value in state.items()
            }
    roles = new.roles()
    for group in optimizer.param_groups:
        group["params"] = [p for p in parameters if roles[p] == group["role"]]
    if isinstance(optimizer, SGD) and optimizer.state:
        # torch's fused SGD begins the momentum of all parameters or of none.
        for parameter in parameters:
            if parameter not in optimizer.state:
                optimizer.state[parameter] = {"momentum_buffer": torch.zeros_like(parameter)}


def _resized_moment(value: object, heir: Tensor, resizing: _Resizing, *, second: bool) -> object:
    if not isinstance(value, Tensor) or value.dim() != heir.dim():
        return value  # the step count
    fill = value.mean().item() if second else 0.0
    moment = torch.full_like(heir, fill)
    resizing.fill_(moment, value, border=fill)
    return moment


ROW_NORM = 2**0.5
"""The expected norm of a row of He weights."""


def gradmax_rows(child: Child, position: Position, count: int, x: Tensor, y: Tensor) -> Tensor:
    """Return incoming weights for new units of a block, in order of the gradient that they bring.

    A new unit's outgoing weights are zero; their gradient, for a unit that is linear at first and looks
    at one step at a time, is G v, where G = Σ δ hᵀ over samples and positions, h is what the block's first
    map reads, δ the gradient of the loss by what the block adds, and v the incoming weights. The |v| = 1
    with the largest gradient are G's first right singular vectors (Evci et al., 2022,
    https://arxiv.org/abs/2201.05125, with the roles of incoming and outgoing weights exchanged).

    Args:
        child: before the edit; left as it is.
        position: of the block.
        count: units wanted.
        x: inputs (n, *input_shape).
        y: labels (n,).

    Returns:
        (at most ``count``, in, ...), as rows of the block's intake, of He's norm; none if gradients are
        not finite.
    """
    block = child.block(position)
    read, update_gradient = _probed(child, block, x, y)
    weight, _ = block.intake
    correlation = _correlation(weight, read, update_gradient)  # (width, in · kernel)
    if not correlation.isfinite().all():  # a child that is about to diverge
        return weight[:0].detach()
    _, _, vectors = torch.linalg.svd(correlation, full_matrices=False)
    rows: Tensor = vectors[:count].unflatten(1, weight.shape[1:])
    return ROW_NORM * rows


def _probed(child: Child, block: ResidualBlock, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return what the block's first map reads, and the gradient by the block's output; in eval mode."""
    seen: dict[str, Tensor] = {}
    hooks = [
        block.first.register_forward_pre_hook(lambda _, args: seen.__setitem__("read", args[0].detach())),
        block.register_forward_hook(lambda _, args, output: seen.__setitem__("output", output)),
    ]
    mode = child.training
    # cuDNN gives no gradients through recurrent layers in eval mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        loss = F.cross_entropy(child.eval()(x), y)
        (gradient,) = torch.autograd.grad(loss, seen["output"])
    child.train(mode)
    for hook in hooks:
        hook.remove()
    return seen["read"], gradient


def _correlation(weight: Tensor, read: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of a map from what is read to the update, of the intake's kernel."""
    if weight.dim() == 2:
        return gradient.flatten(0, -2).T @ read.flatten(0, -2)
    height, width = weight.shape[2:]
    shape, padding = (gradient.shape[1], *weight.shape[1:]), (height // 2, width // 2)
    kernel: Tensor = conv2d_weight(read, shape, gradient, padding=padding)  # type: ignore[no-untyped-call]
    return kernel.flatten(1)
