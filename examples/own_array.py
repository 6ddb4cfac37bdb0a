"""Arrays of your own: a network grows on them, is kept, and is loaded again."""

from pathlib import Path

import numpy as np

import mse_rl


def main() -> None:
    """Grow a network on waves of three frequencies, 300 sequences of 16 steps of one number."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=300)
    phases = rng.uniform(0, 2 * np.pi, size=(300, 1))
    x = np.sin(np.arange(16) * (labels[:, None] + 1) / 2 + phases) + rng.normal(0, 0.1, size=(300, 16))
    config = mse_rl.TaskConfig(input="sequence")
    task = mse_rl.Task.from_arrays(x[:, :, None], labels, name="waves", config=config)

    grown = mse_rl.apply(task, training_flops=2e9)
    print(f"{grown.architecture.family}: test accuracy {grown.growth['test_accuracy']:.2f}")

    grown.save(Path("waves"))
    again = mse_rl.load("waves")
    print(again.predict(x[:3, :, None]) == labels[:3])


if __name__ == "__main__":
    main()
