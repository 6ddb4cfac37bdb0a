"""Arrays of the user's own, as a source returns them."""

from dataclasses import replace
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from mse_rl.config.training import TaskConfig
from mse_rl.data.inputs import interpret
from mse_rl.data.raw import Array, RawData, array_of, listed
from mse_rl.data.split import hold_out_test
from mse_rl.errors import InvalidTask


class Samples(Protocol):
    """What yields (input, label), as a torch dataset does."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return a sample."""


def raw_of_arrays(
    x_train: ArrayLike,
    y_train: ArrayLike,
    x_test: ArrayLike | None,
    y_test: ArrayLike | None,
    config: TaskConfig,
) -> RawData:
    """Return arrays as raw data; a test split is held out where there is none.

    Raises:
        InvalidTask: one of the test arrays is missing, there are too few samples to hold out of, or the
            inputs cannot be read.
    """
    if (x_test is None) != (y_test is None):
        raise InvalidTask("expected both x_test and y_test, or neither, got one of them")
    if config.input == "auto" and hasattr(x_train, "columns"):
        config = replace(config, input="vector")  # whole numbers in columns are no token ids
    x, y = _inputs("x_train", x_train), _labels("y_train", y_train)
    if x_test is None or y_test is None:
        x, y, x_other, y_other = _held_out(x, y)
    else:
        x_other, y_other = _inputs("x_test", x_test), _labels("y_test", y_test)
    y, y_other, classes = numbered(y, y_other)
    return replace(interpret(x, y, x_other, y_other, config), classes=classes)


def stacked(samples: Samples) -> tuple[Array, Array]:
    """Return all inputs (n, …) and labels (n,) of a dataset.

    Raises:
        InvalidTask: there are none, or inputs are not of one shape.
    """
    try:
        pairs = [
            (array_of("inputs", x), array_of("labels", y).item())
            for x, y in map(samples.__getitem__, range(len(samples)))
        ]
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidTask(f"expected a dataset of (input, label) with a length, got: {error}") from error
    shapes = {x.shape for x, _ in pairs}
    if len(shapes) > 1:
        raise InvalidTask(
            f"expected samples of one shape, got {listed(sorted(map(str, shapes)))}: resize them"
        )
    if not pairs:
        raise InvalidTask("expected samples, got an empty dataset")
    return np.stack([x for x, _ in pairs]), np.array([y for _, y in pairs])


def _inputs(key: str, values: Any) -> Array:
    """Return inputs (n, …), at least one of each sample."""
    x = array_of(key, values)
    if x.ndim < 2:
        raise InvalidTask(
            f"expected {key} of shape (n, features), (n, tokens), (n, steps, features) or "
            f"(n, [channels,] height, width), got {x.shape}: reshape numbers, and write texts to a CSV file"
        )
    if len(x) and not x.size:
        raise InvalidTask(f"expected features in {key}, got none (shape {x.shape}): check how it was made")
    return x


def _labels(key: str, values: Any) -> Array:
    """Return labels (n,); objects that are whole numbers as numbers."""
    labels = array_of(key, values)
    if labels.ndim != 1:
        raise InvalidTask(
            f"expected {key} of shape (n,), one label per sample, got {labels.shape}: reshape it"
        )
    return _of_one_type(key, labels) if labels.dtype.kind == "O" else labels


def _of_one_type(key: str, labels: Array) -> Array:
    """Return labels (n,) that are objects; whole numbers as numbers."""
    try:
        if any(label is None or label != label for label in labels):
            raise InvalidTask(
                f"expected a label for each sample in {key}, got gaps: fill them in or drop the samples"
            )
        if all(isinstance(label, Integral) for label in labels):
            return labels.astype(np.int64)
        np.unique(labels)  # only what can be compared has an order
    except TypeError as error:
        types = sorted({type(label).__name__ for label in labels})
        raise InvalidTask(
            f"expected labels of one type in {key}, got {listed(types)}: make all of them strings"
        ) from error
    except OverflowError as error:
        raise InvalidTask(
            f"expected labels below 2**63 in {key}, got larger ones: number the classes 0..K-1"
        ) from error
    return labels


def _held_out(x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    if len(x) != len(y):
        raise InvalidTask(f"expected one label per sample, got inputs {x.shape} and labels {y.shape}")
    names, numbers = np.unique(y, return_inverse=True)
    if len(y) == 0 or (rare := np.bincount(numbers)).min() < 3:
        few = listed([str(names[i]) for i in np.flatnonzero(rare < 3)]) if len(y) else "nothing"
        raise InvalidTask(
            f"expected at least 3 samples of each class, to train, validate and test on, got fewer of {few}: "
            "add some, or give x_test and y_test"
        )
    train, test = hold_out_test(numbers)
    return x[train], y[train], x[test], y[test]


def numbered(y_train: Array, y_test: Array) -> tuple[Array, Array, tuple[str, ...]]:
    """Return labels as numbers, and their names if they are strings.

    Raises:
        InvalidTask: a test label is none of the training labels.
    """
    if y_train.dtype.kind not in "UO":
        return y_train, y_test, ()
    names = sorted({str(name) for name in y_train})
    unknown = sorted({str(name) for name in y_test} - set(names))
    if unknown:
        raise InvalidTask(
            f"expected the labels of y_test to be among those of y_train, got {listed(unknown)} beside "
            f"{listed(names)}: add training samples or drop the test samples"
        )
    place = {name: number for number, name in enumerate(names)}
    train, test = (np.array([place[str(name)] for name in y], dtype=np.int64) for y in (y_train, y_test))
    return train, test, tuple(names)
