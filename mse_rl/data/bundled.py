"""Datasets that scikit-learn brings along: they need no download."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import RawData
from mse_rl.data.splits import hold_out_test


def digits(argument: str, config: TaskConfig) -> RawData:
    """Read 1,797 images (n, 1, 8, 8) with values 0..16, ten classes; 359 are held out for the test."""
    bunch = _load("load_digits")
    x, y = bunch.images[:, None].astype(np.uint8), bunch.target.astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "image")


def table(loader: str, argument: str, config: TaskConfig) -> RawData:
    """Read vectors (n, F) and the names of their classes; a fifth is held out for the test."""
    bunch = _load(loader)
    x, y = bunch.data, bunch.target.astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(
        x[train], y[train], x[test], y[test], "vector", classes=tuple(map(str, bunch.target_names))
    )


wine = partial(table, "load_wine")
breast_cancer = partial(table, "load_breast_cancer")


def _load(loader: str) -> Any:
    # Late: importing scikit-learn costs 86 MB, which a process that is handed its tasks saves.
    return getattr(import_module("sklearn.datasets"), loader)()
