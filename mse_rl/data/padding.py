"""Sequences of different lengths in one array: which steps are padding."""

import numpy as np
from numpy.typing import NDArray

from mse_rl.data.raw import Array

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
