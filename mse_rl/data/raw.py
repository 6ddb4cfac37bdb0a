"""What a source returns: a dataset as it was found, before it is checked, split and normalised."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

from mse_rl.config import TaskConfig

Array = NDArray[Any]
Kind = Literal["image", "vector"]
AugmentationName = Literal["none", "crop", "flip", "crop-flip"]


@dataclass(frozen=True)
class RawData:
    """A dataset as it was found.

    Args:
        x_train, x_test: inputs, any numeric dtype: (n, C, H, W) for images, (n, F) for vectors.
        y_train, y_test: labels (n,), whole numbers.
        kind: what the inputs are.
        augmentation: what a training batch may go through, unless the config says otherwise.
        notes: what the user should be told about how the data were read, one line each.
    """

    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    kind: Kind
    augmentation: AugmentationName = "none"
    notes: tuple[str, ...] = ()


Source = Callable[[str, TaskConfig], RawData]
"""Takes what follows the colon of a task's name ("" without one) and the config."""
