"""Taking a child over to other data: what fits is kept, what does not is made new."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import nn

from mse_rl.networks import Child, build_child
from mse_rl.networks.transformer import PositionedStem
from mse_rl.spec import FAMILIES, Architecture, Inputs, Widths, require_readable
from mse_rl.transformations.applying import Receipt, receipt_of


def adopted(architecture: Architecture, inputs: Inputs) -> Architecture:
    """Return the architecture with other inputs and classes.

    Raises:
        InvalidArchitecture: if its family cannot read the inputs.
    """
    family = architecture.family
    require_readable(family, inputs)
    same_kind = architecture.inputs.kind == inputs.kind
    if not same_kind:
        first = FAMILIES[family].start(inputs, Widths(1, 1, 1))
        architecture = architecture.with_stage(0, stride=first.stages[0].stride)
    return replace(
        architecture, input_shape=inputs.shape, vocabulary=inputs.vocabulary, classes=inputs.classes
    )


@dataclass(frozen=True)
class Renumbering:
    """What the numbers of a task were for the child that goes on with it.

    Args:
        inputs: for each token id, or feature of a vector, the one that it was, -1 if it is new; None if
            they are the same.
        classes: the same for classes.
    """

    inputs: tuple[int, ...] | None = None
    classes: tuple[int, ...] | None = None


@torch.no_grad()
def adopt(
    child: Child,
    inputs: Inputs,
    *,
    generator: torch.Generator,
    renumbering: Renumbering | None = None,
) -> tuple[Child, Receipt]:
    """Return a copy of ``child`` that reads ``inputs`` and predicts their classes.

    A module whose weights fit is copied; another is new. So a convolutional child keeps all but
    its classifier for other classes, and all for another resolution.

    Args:
        child: left as it is.
        inputs: what the new child reads and predicts.
        generator: draws the new weights; on the child's device.
        renumbering: what tokens, features and classes were for ``child``; the same if not given.

    Returns:
        The new child, and a receipt with the modules that were kept and made new.

    Raises:
        InvalidArchitecture: if the child's family cannot read the inputs.
    """
    before, after = child.architecture, adopted(child.architecture, inputs)
    weight = next(child.parameters())
    new = build_child(after, generator=generator, device=weight.device, dtype=weight.dtype)
    new.train(child.training)
    known = _known(child, renumbering or Renumbering(), weight.device)
    kept: list[str] = []
    made_new: list[str] = []
    for name, module in _owners(new):
        taken = _copy_(module, child.get_submodule(name), *known.get(name, ()))
        (kept if taken else made_new).append(name)
    comparable = not made_new and before == after and not known
    receipt = receipt_of(
        "adopt",
        None,
        before,
        after,
        output_change=0.0 if comparable else None,
        kept=tuple(kept),
        made_new=tuple(made_new),
    )
    return new, receipt


def _owners(child: Child) -> Iterator[tuple[str, nn.Module]]:
    """Yield the modules that have weights or statistics of their own."""
    for name, module in child.named_modules():
        if _own(module):
            yield name, module


def _known(
    child: Child, renumbering: Renumbering, device: torch.device
) -> dict[str, tuple[int, torch.Tensor]]:
    """Return for modules whose inputs or outputs have new numbers the dimension, and the old numbers."""
    reader = "stem.reader" if isinstance(child.stem, PositionedStem) else "stem"
    parts = {reader: (1, renumbering.inputs), "head.linear": (0, renumbering.classes)}
    return {
        name: (dimension, torch.tensor(numbers, device=device))
        for name, (dimension, numbers) in parts.items()
        if numbers is not None
    }


def _copy_(
    module: nn.Module, source: nn.Module, dimension: int = 0, numbers: torch.Tensor | None = None
) -> bool:
    """Copy the weights of ``source`` into ``module`` if they fit; return whether they did.

    Args:
        module: newly initialized.
        source: the same kind of module, of the old child.
        dimension: of the weights, along which there are new numbers.
        numbers: for each of them the old one, -1 where it is new; that keeps its initial values.
    """
    if type(module) is not type(source) or (numbers is not None and (numbers < 0).all()):
        return False
    pairs = [*zip(_own(module), _own(source), strict=True)]
    if any(_fixed(tensor, dimension, numbers) != _fixed(old, dimension, numbers) for tensor, old in pairs):
        return False
    for tensor, old in pairs:
        if numbers is None or tensor.dim() <= dimension:
            tensor.copy_(old)
        else:
            known = numbers >= 0
            kept = old.index_select(dimension, numbers[known])
            tensor.index_copy_(dimension, known.nonzero().flatten(), kept)
    return True


def _fixed(tensor: torch.Tensor, dimension: int, numbers: torch.Tensor | None) -> list[int]:
    """Return the sizes that have to be the same: all, or all but the renumbered one."""
    return [size for d, size in enumerate(tensor.shape) if numbers is None or d != dimension]


def _own(module: nn.Module) -> list[torch.Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]
