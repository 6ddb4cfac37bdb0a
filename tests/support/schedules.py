"""Schedules of slices that are all as long as each other, and their learning rates."""

from mse_rl.training import BatchOrder, learning_rate, make_optimizer, train_slice_

ONE_UPDATE = ["--episodes", "4", "--groups", "2", "--rollouts", "2", "--held-out", "1", "--workers", "1"]
"""The shortest run of ``mse-rl train`` that learns."""


def even(slices, steps):
    """Return the settings of a schedule of so many slices, of so many training steps each."""
    return {"slices": slices, "training_steps": slices * steps, "decision_share": 1.0}


def rates(steps, total, config, width=None):
    """Return the learning rates of some steps of a schedule of so many, for a child of that width."""
    return [learning_rate(step / total, 1 / total, config, width) for step in steps]


def short_slice(child, task, config, batch_size):
    """Train a child for the first 4 of 20 steps, and return what comes of it."""
    steps = range(4)
    return train_slice_(
        child,
        make_optimizer(child, config),
        task,
        BatchOrder(len(task.train), batch_size, seed=0, device="cpu"),
        steps=steps,
        rates=rates(steps, 20, config),
        config=config,
        seed=0,
    )
