"""Random changes of a training batch, all samples at once and on the batch's own device."""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from mse_rl.architecture import PADDING, UNKNOWN
from mse_rl.data.raw import AugmentationName
from mse_rl.data.task import Augmentation
from mse_rl.errors import InvalidTask

_KINDS = {(4, True): "images", (3, True): "sequences", (2, False): "tokens"}
"""What a batch holds, by its number of dimensions and whether it is of floats."""


def augmentation_for(name: AugmentationName, resolution: int) -> Augmentation:
    """Return the named augmentation for images of ``resolution`` pixels: crops pad by a sixteenth of it, at
    least one pixel.
    """
    return Augmentation(
        crop=max(1, round(resolution / 16)) if "crop" in name else 0,
        flip="flip" in name,
    )


def augment(x: Tensor, augmentation: Augmentation, *, generator: torch.Generator) -> Tensor:
    """Change each sample of a batch on its own.

    Args:
        x: images (n, C, H, W), sequences (n, T, F) or token ids (n, T); left as it is.
        augmentation: what may be done; if nothing, ``x`` itself is returned and nothing is drawn.
        generator: decides all draws; may live on another device than ``x``.

    Returns:
        The augmented batch, of the shape, dtype and device of ``x``.

    Raises:
        InvalidTask: something is to be done that ``x`` is not made for.
    """
    if augmentation == Augmentation():
        return x
    kind = _KINDS.get((x.ndim, x.is_floating_point()))
    if kind is None or kind != augmentation.of:
        raise InvalidTask(
            f"expected a batch of {augmentation.of} to augment, got {tuple(x.shape)} of {x.dtype}"
        )
    return _CHANGES[kind](x, augmentation, generator)


def _images(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Crop and flip. A crop pads with 0, the mean of normalised values, and cuts back to size at a random
    place.
    """
    # One draw and one transfer for all three decisions; the modulo's bias is below 1e-7.
    draws = torch.randint(2**31, (3, len(x)), generator=generator, device=generator.device).to(x.device)
    if augmentation.crop:
        x = _crop(x, augmentation.crop, *(draws[:2] % (2 * augmentation.crop + 1)))
    if augmentation.flip:
        x = torch.where((draws[2] % 2 == 1)[:, None, None, None], x.flip(-1), x)
    return x


def _crop(x: Tensor, padding: int, top: Tensor, left: Tensor) -> Tensor:
    height, width = x.shape[2:]
    padded = F.pad(x, (padding,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (n, C, 2p+1, 2p+1, H, W), a view
    return windows[torch.arange(len(x), device=x.device), :, top, left]  # (n, C, H, W)


def _sequences(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Shift, scale and add noise. A shift repeats the first step, or the last one."""
    steps = x.shape[1]
    draws = _normal((len(x) * (2 + prod(x.shape[1:])),), generator).to(x)
    offsets, factors, noise = torch.split(draws, [len(x), len(x), x.numel()])
    shifts = (offsets * augmentation.shift).round().to(torch.int64)[:, None]
    places = (torch.arange(steps, device=x.device) - shifts).clamp(0, steps - 1)
    shifted = x.take_along_dim(places[:, :, None], dim=1)
    scaled = shifted * (1 + augmentation.scale * factors)[:, None, None]
    noisy: Tensor = scaled + augmentation.jitter * noise.view_as(x)
    return noisy


def _normal(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, device=generator.device)


def _tokens(x: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Put UNKNOWN in the place of tokens."""
    draws = torch.rand(x.shape, generator=generator, device=generator.device).to(x.device)
    return x.masked_fill((draws < augmentation.drop) & (x != PADDING), UNKNOWN)


_CHANGES = {"images": _images, "sequences": _sequences, "tokens": _tokens}
