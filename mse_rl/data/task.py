"""A task: one dataset, split three ways and resident in memory as tensors."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from mse_rl.data.split import Split, packed


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
class Task:
    """A classification problem with its splits.

    Validation chooses; the test split is touched once, in the final report.

    Args:
        name: as given by the user, for example ``"mnist"`` or ``"npz:wine.npz"``.
        kind: what the inputs are: ``"image"`` (C, H, W), ``"vector"`` (F,), ``"sequence"`` (T, F), padded
            with NaN at the end, or ``"tokens"`` (T,), padded with PADDING at the end.
        classes: number of classes K; labels are 0..K-1.
        train, validation, test: the three splits.
        augmentation: what may be done to a training batch.
        mean, deviation: per channel of images, or feature, what the encoded inputs were normalised by; empty
            for tokens.
        vocabulary: number of token ids, with PADDING and UNKNOWN among them; 0 where inputs are not tokens.
        encoding: what it takes to encode raw inputs again, ready for JSON. ``reads`` says what they are,
            where they are not numbers: ``"text"`` (the ``column``, the ``words`` with ids 2, 3, …, and the
            ``length`` T), ``"table"`` (``numeric`` columns with the mean that fills gaps, then
            ``categorical`` ones with their categories), or ``"ids"`` (the ``largest``, and the ``length``
            T). ``bins`` are the edges that ``Bins`` puts behind each number of a vector, ``series`` what
            ``SeriesScaling`` makes of a sequence. ``zero_padding`` is there where zeros at the end of a
            sequence are padding. ``classes`` are the names of the labels 0..K-1, if they have any, and
            ``labels`` the numbers that the dataset gives them, if others.
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
    vocabulary: int = 0
    encoding: dict[str, Any] = field(default_factory=dict, compare=False)  # a dict cannot be hashed

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train.x.shape[1:])

    @cached_property
    def fingerprint(self) -> str:
        """Return a digest of all that a child may see while it grows: all but the test split."""
        digest = hashlib.sha256(repr((self.name, self.classes, self.vocabulary, self.augmentation)).encode())
        for split in (self.train, self.validation):
            for tensor in (split.inputs(slice(None)), split.y):
                digest.update(repr((tensor.shape, tensor.dtype)).encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()

    def to(self, device: torch.device | str) -> "Task":
        """Return the same task with its tensors on ``device``; on a GPU, images are held as bytes."""
        task = self.packed() if torch.device(device).type == "cuda" else self
        return task._mapped(lambda split: split.to(device))

    def packed(self) -> "Task":
        """Return the same task with images as bytes, where they are the same to the bit."""
        return self._mapped(lambda split: packed(split, self.mean, self.deviation))

    def _mapped(self, change: Callable[[Split], Split]) -> "Task":
        train, validation, test = map(change, (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)
