"""What each family finds in a series: a pattern, or the order of two.

    python scripts/experiments/patterns.py --steps 48 96

A series is noise. In *local* one of two patterns of eight steps lies at a random multiple of eight steps, and
tells the class; in *order* both do, and only which is the first tells it. Every family grows as ``mse-rl
apply`` does without options. Prints test accuracies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tyro
from numpy.typing import NDArray

import mse_rl

PATTERN = np.array([0, 1, 2, 3, -3, -2, -1, 0.0])
NOISE = 0.3
TRAINING, TEST = 4000, 1000
Series = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True)
class Arguments:
    """What is grown."""

    steps: tuple[int, ...] = (48, 96)
    """Lengths of the series."""
    families: tuple[str, ...] = ("cnn", "rnn", "transformer")
    """Of the children."""
    seed: int = 0


def problems(steps: int, rng: np.random.Generator) -> Iterator[tuple[str, Series]]:
    """Yield the two problems: series (n, steps, 1) and classes."""
    for name, places in (("local", 1), ("order", 2)):
        x = rng.normal(0, NOISE, (TRAINING + TEST, steps))
        y = rng.integers(0, 2, len(x))
        for row, is_second in zip(x, y, strict=True):
            starts = rng.choice(np.arange(0, steps - len(PATTERN), len(PATTERN)), places, replace=False)
            sign = 1 if is_second else -1
            for start in np.sort(starts):
                row[start : start + len(PATTERN)] += sign * PATTERN
                sign = -sign
        yield name, (x[:, :, None].astype(np.float32), y)


def main(arguments: Arguments) -> None:
    """Print a line for each problem and family."""
    for steps in arguments.steps:
        for name, (x, y) in problems(steps, np.random.default_rng(arguments.seed)):
            for family in arguments.families:
                task = mse_rl.Task.from_arrays(x[:TRAINING], y[:TRAINING], x[TRAINING:], y[TRAINING:])
                accuracy = mse_rl.apply(task, family=family).growth["test_accuracy"]
                print(f"{name}, {steps} steps, {family}: {100 * accuracy:.1f}", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
