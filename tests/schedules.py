"""Schedules of slices that are all as long as each other, and their learning rates."""

from mse_rl.training import learning_rate

ONE_UPDATE = ["--episodes", "4", "--groups", "2", "--rollouts", "2", "--held-out", "1", "--workers", "1"]
"""The shortest run of ``mse-rl train`` that learns."""


def even(slices, steps):
    """Return the settings of a schedule of so many slices, of so many training steps each."""
    return {"slices": slices, "training_steps": slices * steps, "decision_share": 1.0}


def rates(steps, total, config):
    """Return the learning rates of some steps of a schedule of so many."""
    return [learning_rate(step / total, 1 / total, config) for step in steps]
