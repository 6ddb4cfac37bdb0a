"""scikit-learn's handwritten digits: 1,797 images of 8x8 that need no download."""

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import RawData
from mse_rl.data.sklearn_files import sklearn_file
from mse_rl.data.splits import hold_out_test


def digits(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 8, 8) with values 0..16, ten classes; 359 of them are held out for the test.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    rows = np.loadtxt(sklearn_file("digits.csv.gz"), delimiter=",", dtype=np.uint8)  # (1797, 65)
    x, y = rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "image")
