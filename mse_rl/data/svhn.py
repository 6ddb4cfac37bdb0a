"""Street View House Numbers (Netzer and others, 2011): 73,257 + 26,032 cropped digits of 32x32."""

from mse_rl.config import TaskConfig
from mse_rl.data.download import data_dir, ensure_files, torchvision_datasets
from mse_rl.data.raw import RawData
from mse_rl.errors import InvalidTask

_FILES = {"train": "train_32x32.mat", "test": "test_32x32.mat"}


def svhn(argument: str, config: TaskConfig) -> RawData:
    """Read images (n, 3, 32, 32) uint8 of ten classes.

    Raises:
        InvalidTask: a file is missing and cannot be downloaded, or is not the original one.
    """
    root = data_dir(config)

    def fetch() -> None:
        for split in _FILES:
            torchvision_datasets().SVHN(root, split=split, download=True)

    ensure_files(root, list(_FILES.values()), fetch)
    try:
        train, test = (torchvision_datasets().SVHN(root, split=split) for split in _FILES)
    except RuntimeError as error:  # torchvision compares checksums
        raise InvalidTask(
            f"expected the original SVHN, got files with other checksums: "
            f"delete {' and '.join(_FILES.values())} in {root} and get them again"
        ) from error
    return RawData(train.data, train.labels, test.data, test.labels, "image", "crop")
