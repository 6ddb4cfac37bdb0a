"""Class labels 0..K-1, whatever numbers the dataset uses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mse_rl.data.raw import RawData
from mse_rl.errors import InvalidTask

Labels = NDArray[np.int64]


def class_numbers(raw: RawData) -> NDArray[np.int64]:
    """Return the K classes of the training split as the dataset numbers them, ascending.

    Raises:
        InvalidTask: fewer than two classes, a class with one sample, or a test label that training lacks.
    """
    numbers, counts = np.unique(raw.y_train.astype(np.int64), return_counts=True)
    if len(numbers) < 2:
        raise InvalidTask(
            f"expected at least 2 classes in y_train, got only class {named(raw.classes, numbers)}: "
            "add samples of others"
        )
    if (counts < 2).any():
        raise InvalidTask(
            "expected at least 2 training samples of each class, one to train and one to validate on, "
            f"got 1 of class {named(raw.classes, numbers[counts < 2])}: add samples or drop the class"
        )
    if len(unknown := np.setdiff1d(raw.y_test.astype(np.int64), numbers)):
        raise InvalidTask(
            f"expected the labels of y_test to be among those of y_train, got {named(raw.classes, unknown)} "
            f"beside {named(raw.classes, numbers)}: add training samples or drop the test samples"
        )
    return numbers


def renumber(y: NDArray[np.generic], numbers: Labels) -> Labels:
    """Return each label's position (n,) in ``numbers`` (K,), which are ascending."""
    return np.searchsorted(numbers, y.astype(np.int64)).astype(np.int64)


def named(classes: Sequence[str], numbers: Labels) -> str:
    """List classes by their names, or by their numbers where they have none."""
    return listed([classes[number] for number in numbers] if classes else numbers.tolist())


def listed(items: Sequence[object], most: int = 5, width: int = 40) -> str:
    """Write some items in a row: ``1, 2, 3``, and ``…`` for the rest."""
    return ", ".join(str(item)[:width] for item in items[:most]) + (", …" if len(items) > most else "")
