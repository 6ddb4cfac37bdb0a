"""scikit-learn's handwritten digits: 1,797 images of 8x8 that need no download."""

from importlib import import_module

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import RawData
from mse_rl.data.splits import hold_out_test


def digits(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 8, 8) with values 0..16, ten classes; 359 of them are held out for the test."""
    bunch = import_module("sklearn.datasets").load_digits()  # late: the import costs 80 MB
    x, y = bunch.images[:, None].astype(np.uint8), bunch.target
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "image")
