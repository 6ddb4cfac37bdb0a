"""What a source returns: a dataset as it was found, before it is checked, split, encoded and normalised."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mse_rl.config.training import TaskConfig
from mse_rl.errors import InvalidTask

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
        """Fit the encoding to the raw inputs (n, …) of the training split."""


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
        white: what white is in images; None where dtype and values tell.
        records: returns the inputs of train or test as ``InputReader`` takes them, where that is not ``x``.
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
    white: int | None = None
    records: Callable[[str], Any] | None = None


@dataclass(frozen=True)
class Asked:
    """Samples whose classes a network is asked for.

    Args:
        inputs: as ``InputReader`` takes them.
        labels: names of their classes, if they are known.
        files: where each lies, if they are files.
        white: what white is in images; None where dtype and values tell.
        notes: what a user might not expect of how they are read, a line each.
    """

    inputs: Any
    labels: Sequence[str] | None = None
    files: Sequence[str] | None = None
    white: int | None = None
    notes: Sequence[str] = ()


def about_part(split: str, count: int, of: int) -> str:
    """Return a note that a file is read in part: the samples that ``mse-rl apply`` gives the split."""
    other = {"train": "test", "test": "train"}[split]
    return f"read {count:,} of {of:,} samples, the {split} split: `split` {other} has the others"


Source = Callable[[str, TaskConfig], RawData]
"""Takes what follows the colon of a task's name ("" without one) and the config."""


def array_of(key: str, values: Any) -> Array:
    """Return the values called ``key``, a tensor, an array, a table of pandas or nested lists, as an array.

    Raises:
        InvalidTask: they are no array, some of them are masked, or a table holds words.
    """
    check_unmasked(key, values)
    if hasattr(values, "columns") and hasattr(values, "to_numpy"):
        return _numbers_of_table(key, values)
    try:
        return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidTask(f"expected an array {key}, got: {' '.join(str(error).split())}") from error


def _numbers_of_table(key: str, table: Any) -> Array:
    """Return the numbers (n, F) of a table of pandas, float64 where they are of several types or missing."""
    try:
        if any(dtype.kind in "mM" for dtype in table.dtypes):
            raise TypeError("dates or times")
        found = np.asarray(table)
        numbers: Array = table.to_numpy(np.float64, na_value=np.nan) if found.dtype.kind == "O" else found
    except (ValueError, TypeError) as error:
        raise InvalidTask(
            f"expected numbers in all columns of {key}, got others ({' '.join(str(error).split())}): "
            "write the table to a CSV file, with its labels, and name that as the task, csv:PATH"
        ) from error
    return numbers


def check_unmasked(key: str, values: Any) -> None:
    """Check that none of the values called ``key`` is masked: NumPy would read what is below the mask.

    Raises:
        InvalidTask: some are.
    """
    if np.ma.is_masked(values):
        raise InvalidTask(
            f"expected values everywhere in {key}, got {values.mask.sum():,} masked of "
            f"{values.size:,}: fill them in, those at the end of sequences with NaN"
        )


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


Steps = NDArray[np.bool_]


def padding(x: Array) -> Steps:
    """Return which steps (n, T) of ``x`` (n, T, F) are padding: all NaN, and so are those behind them.

    The first step of a sequence never is.
    """
    missing: Steps = np.all(np.isnan(x), axis=2)
    return _at_end(missing)


def fit_length(x: Array, steps: int) -> Array:
    """Return sequences (n, T, F) of ``steps`` steps: longer ones are cut, shorter ones padded with NaN."""
    missing = steps - x.shape[1]
    if missing <= 0:
        return x[:, :steps]
    floats = x.astype(np.result_type(x.dtype, np.float32))
    return np.pad(floats, ((0, 0), (0, missing), (0, 0)), constant_values=np.nan)


def mark_zero_padding(x_train: Array, x_test: Array) -> tuple[Array, Array]:
    """Return both (n, T, F) with NaN for the padding of zeros, or as they are if there is none.

    Steps at the end of a sequence that are exactly 0 in all features are padding, unless ``x_train`` has
    such steps elsewhere, too: then 0 is a value.
    """
    zero, at_end = _zero_steps(x_train)
    if (zero & ~at_end)[:, 1:].any():
        return x_train, x_test
    return mark_padding(x_train), mark_padding(x_test)


def mark_padding(x: Array) -> Array:
    """Return ``x`` (n, T, F) with NaN for the zeros at the end of sequences."""
    zero, at_end = _zero_steps(x)
    if not (zero & at_end).any():
        return x
    marked = x.astype(np.result_type(x.dtype, np.float32))
    marked[zero & at_end] = np.nan
    return marked


def _zero_steps(x: Array) -> tuple[Steps, Steps]:
    """Return which steps (n, T) are all zero, and behind which there is nothing but zeros and NaN."""
    zero = np.all(x == 0, axis=2)
    return zero, _at_end(zero | np.all(np.isnan(x), axis=2))


def _at_end(steps: Steps) -> Steps:
    """Return those of ``steps`` (n, T) behind which there are only more of them, without the first."""
    tail: Steps = np.logical_and.accumulate(steps[:, ::-1], axis=1)[:, ::-1].copy()
    tail[:, 0] = False
    return tail
