"""A task: one dataset, split three ways and resident in memory as tensors."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training batch of images, made on the device.

    Args:
        crop: padding in pixels before a random crop back to size; 0 leaves the image in its place.
        flip: mirror left and right with probability 1/2.
    """

    crop: int = 0
    flip: bool = False


@dataclass(frozen=True)
class Split:
    """Inputs (n, *input_shape) float32, normalised, and labels (n,) int64."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.y)


@dataclass(frozen=True)
class Task:
    """A classification problem with its splits.

    Validation chooses; the test split is touched once, in the final report.

    Args:
        name: as given by the user, for example ``"mnist"`` or ``"npz:wine.npz"``.
        kind: what the inputs are: ``"image"`` (C, H, W) or ``"vector"`` (F,).
        classes: number of classes K; labels are 0..K-1.
        train, validation, test: the three splits.
        augmentation: what may be done to a training batch.
        mean, deviation: per channel or feature, what the raw inputs were normalised by.
    """

    name: str
    kind: str
    classes: int
    train: Split
    validation: Split
    test: Split
    augmentation: Augmentation = Augmentation()
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device | str) -> "Task":
        """Return the same task with its tensors on ``device``."""
        train, validation, test = (
            Split(split.x.to(device), split.y.to(device))
            for split in (self.train, self.validation, self.test)
        )
        return replace(self, train=train, validation=validation, test=test)
