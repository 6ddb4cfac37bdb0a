"""What `mse-rl apply` gives without options, beside what one line of scikit-learn gives.

    python scripts/experiments/against_scikit_learn.py DATA_DIR --seeds 0 1 2 --out against_scikit_learn

Both see the same training and test splits. All one-liners for a kind of input are shown; the best by test
accuracy counts, which is as kind to them as can be. Seconds are of CPU, all threads together. Writes OUT.json
and OUT.md, after every dataset.
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, LinearSVC

from mse_rl.config.training import TaskConfig
from mse_rl.data.sources import find_source
from mse_rl.runs.report import markdown_table

SETS = {
    "image": (
        "digits",
        "mnist",
        "fashion_mnist",
        "npz:images/animal_mnist.npz",
    ),
    "tokens": ("csv:TREC", "csv:texts/reuters_r8", "csv:texts/twenty_newsgroups"),
    "sequence": (
        "npz:UCR/JapaneseVowels.npz",
        "npz:series/ItalyPowerDemand.npz",
        "npz:series/ArrowHead.npz",
        "npz:series/GunPoint.npz",
        "npz:series/Trace.npz",
        "npz:series/BasicMotions.npz",
        "npz:series/ACSF1.npz",
    ),
    "vector": (
        "wine",
        "breast_cancer",
        "npz:tables/satimage.npz",
        "npz:tables/penbased.npz",
        "npz:tables/magic.npz",
        "npz:tables/phoneme.npz",
        "npz:tables/spambase.npz",
        "csv:tables/splice",
        "csv:tables/german",
    ),
}
"""By kind of input, the datasets; paths are relative to the data folder."""

Line = Callable[[], BaseEstimator]
FLAT: dict[str, Line] = {
    "RF": lambda: RandomForestClassifier(random_state=0, n_jobs=2),
    "MLP": lambda: make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
}
LINES: dict[str, dict[str, Line]] = {
    "image": FLAT | {"SVC": SVC},
    "tokens": {
        "LR": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000)),
        "SVM": lambda: make_pipeline(TfidfVectorizer(), LinearSVC()),
    },
    "sequence": FLAT | {"Ridge": RidgeClassifier, "1-NN": lambda: KNeighborsClassifier(1)},
    "vector": FLAT
    | {
        "LR": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "HGB": lambda: HistGradientBoostingClassifier(random_state=0),
    },
}
"""By kind of input, what a person would type."""


@dataclass(frozen=True)
class Arguments:
    """What is compared."""

    data_dir: tyro.conf.Positional[Path]
    """Folder with the datasets."""
    sets: tuple[str, ...] = tuple(name for names in SETS.values() for name in names)
    """Datasets; paths are relative to the folder."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Of `mse-rl apply`."""
    out: Path = Path("against_scikit_learn")
    """What the files are called."""


def main(arguments: Arguments) -> None:
    """Run everything; write table and figures."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows: list[dict[str, Any]] = []
    for name in arguments.sets:
        kind = next(kind for kind, names in SETS.items() if name in names)
        lines = {
            key: fit(line(), *arrays(name, kind, arguments.data_dir)) for key, line in LINES[kind].items()
        }
        grown = [apply(name, seed, arguments.data_dir) for seed in arguments.seeds]
        rows.append({"set": name, "kind": kind, "lines": lines, "grown": grown})
        arguments.out.with_suffix(".json").write_text(json.dumps(rows))
        arguments.out.with_suffix(".md").write_text(table(rows))
        print(table(rows[-1:]), flush=True)
    print(table(rows))


def arrays(name: str, kind: str, data_dir: Path) -> tuple[Any, Any, Any, Any]:
    """Return x_train, y_train, x_test, y_test as scikit-learn reads them."""
    source, _, path = name.partition(":")
    if source == "csv":
        splits = [list(csv.reader((data_dir / path / f"{split}.csv").open())) for split in ("train", "test")]
        if kind == "tokens":
            text, label = splits[0][0].index("text"), splits[0][0].index("label")
            columns = [([row[text] for row in rows[1:]], [row[label] for row in rows[1:]]) for rows in splits]
            return (*columns[0], *columns[1])
        return one_hot([np.array(rows[1:]) for rows in splits])
    full = f"{source}:{data_dir / path}" if path else source
    read, argument = find_source(full)
    raw = read(argument, TaskConfig(data_dir=data_dir))
    x = [
        np.nan_to_num(values.reshape(len(values), -1).astype(np.float64))
        for values in (raw.x_train, raw.x_test)
    ]
    scale = 255.0 if kind == "image" and raw.x_train.dtype == np.uint8 else 1.0
    return x[0] / scale, raw.y_train, x[1] / scale, raw.y_test


def one_hot(splits: list[np.ndarray]) -> tuple[Any, Any, Any, Any]:
    """Return a table whose last column is the class, its categories one-hot."""

    def numeric(column: np.ndarray) -> bool:
        return all(cell.lstrip("-").replace(".", "", 1).isdigit() for cell in column)

    numbers = [i for i in range(splits[0].shape[1] - 1) if numeric(splits[0][:, i])]
    rest = [i for i in range(splits[0].shape[1] - 1) if i not in numbers]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(splits[0][:, rest])
    x = [
        np.hstack([rows[:, numbers].astype(np.float64), encoder.transform(rows[:, rest])]) for rows in splits
    ]
    return x[0], splits[0][:, -1], x[1], splits[1][:, -1]


def fit(model: BaseEstimator, x_train: Any, y_train: Any, x_test: Any, y_test: Any) -> dict[str, float]:
    """Return test accuracy in %, and seconds of CPU."""
    began = time.process_time()
    model.fit(x_train, y_train)
    return {"accuracy": 100 * model.score(x_test, y_test), "seconds": time.process_time() - began}


def apply(name: str, seed: int, data_dir: Path) -> dict[str, Any]:
    """Return what `mse-rl apply` gives without options: test accuracy in %, seconds of CPU, parameters."""
    source, _, path = name.partition(":")
    full = f"{source}:{data_dir / path}" if path else source
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "child"
        start = [sys.executable, "-c", "from mse_rl.cli import main; main()"]
        command = [*start, "apply", "--task", full, "--data-dir", str(data_dir)]
        began = time.monotonic()
        subprocess.run(
            [*command, "--seed", str(seed), "--out", str(out)], check=True, stdout=subprocess.DEVNULL
        )
        wall = time.monotonic() - began
        growth = json.loads((out / "growth.json").read_text())
        architecture = json.loads((out / "architecture.json").read_text())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    final = growth["timeline"][-1]
    return {
        "accuracy": 100 * growth["test_accuracy"],
        "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall": wall,
        "family": architecture["family"],
        "parameters": final["params"],
        "memory_mb": after.ru_maxrss / 1024,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures in Markdown."""
    headings = ["set", "family", "mse-rl", "the best line", "difference", "all lines", "CPU s", "parameters"]
    lines: list[list[str]] = []
    for row in rows:
        accuracies = [run["accuracy"] for run in row["grown"]]
        best = max(row["lines"], key=lambda line: row["lines"][line]["accuracy"])
        shown = ", ".join(f"{line} {values['accuracy']:.1f}" for line, values in row["lines"].items())
        seconds = np.mean([run["seconds"] for run in row["grown"]])
        lines.append(
            [
                row["set"],
                row["grown"][0]["family"],
                f"{np.mean(accuracies):.1f} ({min(accuracies):.1f} to {max(accuracies):.1f})",
                f"{best} {row['lines'][best]['accuracy']:.1f}",
                f"{np.mean(accuracies) - row['lines'][best]['accuracy']:+.1f}",
                shown,
                f"{seconds:.0f} ({row['lines'][best]['seconds']:.0f})",
                f"{np.mean([run['parameters'] for run in row['grown']]):,.0f}",
            ]
        )
    return markdown_table(headings, lines) + "\n"


if __name__ == "__main__":
    main(tyro.cli(Annotated[Arguments, tyro.conf.arg(name="")]))
