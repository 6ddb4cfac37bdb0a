"""scikit-learn's handwritten digits: 1,797 images of 8x8 that need no download."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.raw import RawData
from mse_rl.data.splits import hold_out_test
from mse_rl.errors import InvalidTask


def digits(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 8, 8) with values 0..16, ten classes; 359 of them are held out for the test.

    The file is read where scikit-learn keeps it: importing scikit-learn takes 86 MB in every worker.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    spec = find_spec("sklearn")
    path = Path(spec.origin or "").with_name("datasets") / "data" / "digits.csv.gz" if spec else None
    if path is None or not path.is_file():
        raise InvalidTask(
            f"expected scikit-learn with its digits, found none at {path}: pip install scikit-learn"
        )
    rows = np.loadtxt(path, delimiter=",", dtype=np.uint8)  # (1797, 64 pixels and the label)
    x, y = rows[:, :-1].reshape(-1, 1, 8, 8), rows[:, -1].astype(np.int64)
    train, test = hold_out_test(y)
    return RawData(x[train], y[train], x[test], y[test], "image")
