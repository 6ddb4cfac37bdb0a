"""Random crops and flips of a batch, all at once and on the batch's own device."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mse_rl.data.raw import AugmentationName
from mse_rl.errors import InvalidTask


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training batch of images, made on the device.

    Args:
        crop: padding in pixels before a random crop back to size; 0 leaves the image in its place.
        flip: mirror left and right with probability 1/2.
    """

    crop: int = 0
    flip: bool = False


def augmentation_for(name: AugmentationName, resolution: int) -> Augmentation:
    """Return the named augmentation for images of ``resolution`` pixels: crops pad by a sixteenth of it, at
    least one pixel.
    """
    return Augmentation(
        crop=max(1, round(resolution / 16)) if "crop" in name else 0,
        flip="flip" in name,
    )


def augment(x: Tensor, augmentation: Augmentation, *, generator: torch.Generator) -> Tensor:
    """Crop and flip each image of a batch on its own.

    A crop pads with 0, the mean of normalised values, and cuts back to size at a random place.

    Args:
        x: images (n, C, H, W); left as it is.
        augmentation: what may be done; if nothing, ``x`` itself is returned and nothing is drawn.
        generator: decides all draws; may live on another device than ``x``.

    Returns:
        The augmented batch, of the shape, dtype and device of ``x``.

    Raises:
        InvalidTask: something is to be done and ``x`` is no batch of images.
    """
    if augmentation == Augmentation():
        return x
    if x.ndim != 4:
        raise InvalidTask(f"augmentation needs images (n, channels, height, width), got {tuple(x.shape)}")
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
