"""USPS (Hull, 1994): 7,291 + 2,007 handwritten digits of 16x16."""

import numpy as np

from mse_rl.config import TaskConfig
from mse_rl.data.download import data_dir, ensure_files, torchvision_datasets
from mse_rl.data.raw import RawData
from mse_rl.errors import InvalidTask

_FILES = ("usps.bz2", "usps.t.bz2")


def usps(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 1, 16, 16) uint8 of ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or cannot be read.
    """
    root = data_dir(config)

    def fetch() -> None:
        for train in (True, False):
            torchvision_datasets().USPS(root, train=train, download=True)

    ensure_files(root, _FILES, fetch)
    try:
        train, test = (torchvision_datasets().USPS(root, train=train) for train in (True, False))
    except (OSError, EOFError, ValueError, IndexError) as error:
        raise InvalidTask(
            f"expected USPS in LIBSVM's format, got {type(error).__name__} ({error}): "
            f"delete {' and '.join(_FILES)} in {root} and get them again"
        ) from error
    y_train, y_test = np.asarray(train.targets), np.asarray(test.targets)
    return RawData(train.data[:, None], y_train, test.data[:, None], y_test, "image")
