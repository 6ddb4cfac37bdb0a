"""What a source returns: a dataset as it was found, before it is checked, split, encoded and normalised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray
from torch import Tensor

from mse_rl.config import TaskConfig

Array = NDArray[Any]
Kind = Literal["image", "vector", "sequence", "tokens"]
AugmentationName = Literal["none", "crop", "flip", "crop-flip"]


class Encoding(Protocol):
    """Turns raw inputs into numbers, by what an ``Encoder`` has learnt from training samples."""

    @property
    def vocabulary(self) -> int:
        """Number of token ids, with PADDING and UNKNOWN among them; 0 where the inputs are not tokens."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the token ids, or of the features, in order; None if they have none."""

    def __call__(self, rows: Array) -> Array:
        """Return the numbers (n, …) of any raw inputs (n, …); what is unknown raises nothing."""

    def record(self) -> dict[str, Any]:
        """Return, ready for JSON, what it takes to encode raw inputs again."""


class Encoder(Protocol):
    """Learns from training samples alone how raw inputs become numbers."""

    def fit(self, rows: Array) -> Encoding:
        """Return what the raw inputs (n, …) of the training split teach."""


class Features(Protocol):
    """Makes features of numbers, by what training samples have taught; they are then normalised."""

    def named(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the features of inputs that have such names."""

    def __call__(self, x: Tensor) -> Tensor:
        """Return the features (n, …) of inputs (n, …), in float64 or float32 as they are."""

    def record(self) -> dict[str, Any]:
        """Return, ready for JSON, what it takes to make them again."""


@dataclass(frozen=True)
class RawData:
    """A dataset as it was found.

    Args:
        x_train, x_test: inputs of any numeric dtype: (n, C, H, W) for images, (n, F) for vectors,
            (n, T, F) for sequences, in which steps of NaN at the end are padding; or whatever
            ``encoder`` reads, the first axis being the samples.
        y_train, y_test: labels (n,), whole numbers.
        kind: what the inputs are, once encoded.
        augmentation: what a training batch may go through, unless the config says otherwise.
        notes: what the user should be told about how the data were read, one line each.
        encoder: makes numbers of the inputs; None where they are numbers. Its source has checked them.
        classes: names of the labels 0, 1, …, if they have any.
        zero_padding: whether zeros at the end of sequences are padding; they are NaN already.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    kind: Kind
    augmentation: AugmentationName = "none"
    notes: tuple[str, ...] = ()
    encoder: Encoder | None = None
    classes: tuple[str, ...] = ()
    zero_padding: bool = False


Source = Callable[[str, TaskConfig], RawData]
"""Takes what follows the colon of a task's name ("" without one) and the config."""
