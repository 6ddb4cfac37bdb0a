"""A task of your own: data from a program.

On the command line: ``mse-rl apply --task examples.own_task:two_moons``, or ``mse-rl train --task ...``.
"""

from sklearn.datasets import make_moons

import mse_rl


def two_moons(config: mse_rl.TaskConfig) -> mse_rl.Task:
    """Return points of two half-circles, (600, 2), and which of them each is on."""
    points, sides = make_moons(600, noise=0.2, random_state=0)
    return mse_rl.Task.from_arrays(points, sides, config=config)


def main() -> None:
    """Grow a network on it, and ask for the class of two points."""
    grown = mse_rl.apply(two_moons, training_flops=1e9)
    print(f"test accuracy {grown.growth['test_accuracy']:.3f}")
    print(grown.predict([[0.0, 1.0], [1.0, -0.5]]))


if __name__ == "__main__":
    main()
