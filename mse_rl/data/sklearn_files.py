"""Files that scikit-learn brings along, read where they lie: importing it takes 86 MB in every worker."""

from importlib.util import find_spec
from pathlib import Path

from mse_rl.errors import InvalidTask


def sklearn_file(name: str) -> Path:
    """Return where scikit-learn keeps a dataset's file.

    Raises:
        InvalidTask: scikit-learn is not installed, or keeps the file elsewhere.
    """
    spec = find_spec("sklearn")
    path = Path(spec.origin or "").with_name("datasets") / "data" / name if spec else None
    if path is None or not path.is_file():
        raise InvalidTask(
            f"expected scikit-learn with its {name}, found none at {path}: pip install scikit-learn"
        )
    return path
