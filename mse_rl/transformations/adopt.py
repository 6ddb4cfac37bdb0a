"""Taking a child over to other data: what fits is kept, what does not is made new."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import nn

from mse_rl.architecture import Architecture
from mse_rl.families import FAMILIES, Inputs, Widths
from mse_rl.networks import Child, build_child
from mse_rl.search_space import require_readable
from mse_rl.transformations.receipt import Receipt, receipt_of


def adopted(architecture: Architecture, inputs: Inputs) -> Architecture:
    """Return the architecture with other inputs and classes.

    Raises:
        InvalidArchitecture: if its family cannot read the inputs.
    """
    family = architecture.family
    require_readable(family, inputs)
    same_kind = Inputs(architecture.input_shape, architecture.vocabulary, 0).kind == inputs.kind
    first = FAMILIES[family].start(inputs, Widths(1, 1))
    return replace(
        architecture,
        input_shape=inputs.shape,
        vocabulary=inputs.vocabulary,
        classes=inputs.classes,
        stem_stride=architecture.stem_stride if same_kind else first.stem_stride,
    )


@torch.no_grad()
def adopt(
    child: Child,
    inputs: Inputs,
    *,
    generator: torch.Generator,
    origins: tuple[int, ...] | None = None,
) -> tuple[Child, Receipt]:
    """Return a copy of ``child`` that reads ``inputs`` and tells their classes.

    A module whose weights fit is copied; another is new-born. So a convolutional child keeps all but
    its classifier for other classes, and its stem too for another resolution.

    Args:
        child: left as it is.
        inputs: what the new child shall read and tell.
        generator: draws the new weights; on the child's device.
        origins: for each token id, or feature of a vector, the one that it was for ``child``, -1 if it is
            new; the same if not given.

    Returns:
        The new child, and a receipt with the modules that were kept and made new.

    Raises:
        InvalidArchitecture: if the child's family cannot read the inputs.
    """
    before, after = child.architecture, adopted(child.architecture, inputs)
    weight = next(child.parameters())
    new = build_child(after, generator=generator, device=weight.device, dtype=weight.dtype)
    new.train(child.training)
    known = {} if origins is None else {_reader(child): torch.tensor(origins, device=weight.device)}
    kept: list[str] = []
    made_new: list[str] = []
    for name, module in _owners(new):
        taken = _copy_(module, child.get_submodule(name), known.get(name))
        (kept if taken else made_new).append(name)
    comparable = not made_new and origins is None
    receipt = receipt_of(
        "adopt",
        None,
        before,
        after,
        deviation=0.0 if comparable else None,
        kept=tuple(kept),
        made_new=tuple(made_new),
    )
    return new, receipt


def _owners(child: Child) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that have weights or statistics of their own."""
    for name, module in child.named_modules():
        if _own(module):
            yield name, module


def _reader(child: Child) -> str:
    """Return the name of the module that reads tokens or features."""
    return "stem.stem" if hasattr(child.stem, "stem") else "stem"


def _copy_(module: nn.Module, source: nn.Module, origins: torch.Tensor | None) -> bool:
    """Give ``module`` the weights of ``source`` if they fit; say whether they did."""
    if type(module) is not type(source):
        return False
    pairs = [*zip(_own(module), _own(source), strict=True)]
    if origins is not None:
        weight, before = module.weight, source.weight
        assert isinstance(weight, torch.Tensor)
        assert isinstance(before, torch.Tensor)
        known = origins >= 0
        if not known.any():
            return False
        weight[:, known] = before[:, origins[known]]
        pairs = [(tensor, old) for tensor, old in pairs if tensor.dim() < 2]
    if any(tensor.shape != old.shape for tensor, old in pairs):
        return False
    for tensor, old in pairs:
        tensor.copy_(old)
    return True


def _own(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]
