"""scikit-learn's small tables that need no download: wine (UCI) and breast_cancer (Wisconsin, UCI)."""

from functools import partial

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import RawData
from mse_rl.data.sklearn_files import sklearn_file
from mse_rl.data.splits import hold_out_test


def load(name: str, argument: str, config: TaskConfig) -> RawData:
    """Read vectors (n, F) of one of scikit-learn's files; a fifth of them is held out for the test.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    with sklearn_file(name).open(encoding="utf-8") as file:
        _, _, *classes = file.readline().strip().split(",")  # samples, features, names of the classes
        rows = np.loadtxt(file, delimiter=",")  # (n, F and the label)
    x, y = rows[:, :-1], rows[:, -1].astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "vector", classes=tuple(classes))


wine = partial(load, "wine_data.csv")
breast_cancer = partial(load, "breast_cancer.csv")
