"""A task: one dataset, split three ways and resident in memory as tensors."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from numpy.typing import ArrayLike

from mse_rl.config.training import TaskConfig
from mse_rl.data.arrays import Samples, raw_of_arrays, stacked
from mse_rl.data.checks import check_task
from mse_rl.data.preparing import Augmentation, prepare
from mse_rl.data.split import Split, packed
from mse_rl.data.tokens import KnownIds
from mse_rl.errors import require
from mse_rl.plugins import in_short
from mse_rl.spec.architecture import Inputs

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """A classification problem with its splits: see ``from_arrays`` for the usual way to make one.

    Validation chooses; the test split is touched once, in the final report.

    Args:
        name: as given by the user, for example ``"mnist"`` or ``"npz:wine.npz"``.
        kind: what the inputs are: ``"image"`` (C, H, W), ``"vector"`` (F,), ``"sequence"`` (T, F), padded
            with NaN at the end, or ``"tokens"`` (T,), padded with PADDING at the end.
        classes: number of classes K; labels are 0..K-1.
        train, validation, test: the three splits.
        augmentation: what may be done to a training batch.
        mean, deviation: per channel of images, or feature, what the encoded inputs were normalised by; empty
            for tokens, and where nothing was done to them.
        vocabulary: number of token ids, with PADDING and UNKNOWN among them; 0 where inputs are not tokens.
        encoding: what it takes to encode raw inputs again, ready for JSON. ``reads`` says what they are,
            where they are not numbers: ``"text"`` (the ``column``, the ``words`` with ids 2, 3, …, and the
            ``length`` T), ``"table"`` (``numeric`` columns with the mean that fills gaps, then
            ``categorical`` ones with their categories), or ``"ids"`` (the ``largest``, and the ``length``
            T); tokens without it are ids as the task has them. ``bins`` are the edges that ``Bins`` puts
            behind each number of a vector, ``series`` what ``SeriesScaling`` makes of a sequence. ``resized``
            is the size (H, W) that images had before they were resized, ``zero_padding`` is there where zeros
            at the end of a sequence are padding, and ``white`` what white is in images: 1, 255 or 65,535,
            where that is known. ``classes`` are the names of the labels 0..K-1, if they have
            any, and ``labels`` the numbers that the dataset gives them, if others.

    Raises:
        InvalidTask: kind, classes, vocabulary and splits do not fit together, a split is empty, or a value is
            neither finite nor padding.
    """

    name: str
    kind: str
    classes: int
    train: Split
    validation: Split
    test: Split
    augmentation: Augmentation = field(default_factory=Augmentation)
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    vocabulary: int = 0
    encoding: dict[str, Any] = field(default_factory=dict, compare=False)  # a dict cannot be hashed

    def __post_init__(self) -> None:
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        check_task(self.kind, self.classes, self.vocabulary, splits)

    @classmethod
    def from_arrays(
        cls,
        x_train: ArrayLike,
        y_train: ArrayLike,
        x_test: ArrayLike | None = None,
        y_test: ArrayLike | None = None,
        *,
        name: str = "arrays",
        config: TaskConfig | None = None,
        log: Callable[[str], None] = _LOGGER.warning,
    ) -> "Task":
        """Make a task of arrays, with all the checks and encodings that a file gets.

        Args:
            x_train, x_test: images (n, H, W), (n, C, H, W) or (n, H, W, C), vectors (n, F), sequences
                (n, T, F) or token ids (n, T); ``config.input`` says which, or else their shape and dtype. A
                fifth of the training samples is held out, by class, where there is no test split.
            y_train, y_test: labels (n,), whole numbers or strings.
            name: for messages and records.
            config: how they are prepared.
            log: gets one line for each thing that the user might not expect.

        Raises:
            InvalidTask: they cannot be read so, or are too few.
            InvalidConfig: ``config`` is none.
        """
        config = TaskConfig() if config is None else config
        require(isinstance(config, TaskConfig), f"expected a TaskConfig as config, got {in_short(config)}")
        raw = raw_of_arrays(x_train, y_train, x_test, y_test, config)
        return cls(name, *prepare(raw, config, log))

    @classmethod
    def from_dataset(
        cls,
        train: Samples,
        test: Samples | None = None,
        *,
        name: str = "dataset",
        config: TaskConfig | None = None,
        log: Callable[[str], None] = _LOGGER.warning,
    ) -> "Task":
        """Make a task of torch datasets that yield (input, label); all their samples are held in memory.

        Args:
            train, test: as in ``from_arrays``; inputs are tensors, arrays, or images of PIL.
            name: for messages and records.
            config: how they are prepared.
            log: gets one line for each thing that the user might not expect.

        Raises:
            InvalidTask: they cannot be read so, or are too few.
            InvalidConfig: ``config`` is none.
        """
        arrays = [array for split in (train, test) if split is not None for array in stacked(split)]
        return cls.from_arrays(*arrays, name=name, config=config, log=log)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the batch."""
        return tuple(self.train.x.shape[1:])

    @property
    def inputs(self) -> Inputs:
        """What a child for this task reads and tells."""
        return Inputs(self.input_shape, self.vocabulary, self.classes)

    @property
    def record(self) -> dict[str, Any]:
        """What it takes to read raw inputs again, ready for JSON; ``InputReader.of_record`` reads it."""
        features = 0 if self.kind == "tokens" else self.input_shape[0 if self.kind == "image" else -1]
        encoding = self.encoding
        if self.kind == "tokens" and "reads" not in encoding:
            encoding = KnownIds(self.vocabulary, self.input_shape[0]).record() | encoding
        return {
            "kind": self.kind,
            "shape": self.input_shape,
            "mean": self.mean or (0.0,) * features,
            "deviation": self.deviation or (1.0,) * features,
            "vocabulary": self.vocabulary,
            "encoding": encoding,
        }

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
