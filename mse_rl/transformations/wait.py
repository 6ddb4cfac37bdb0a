"""Train on, change nothing."""

from mse_rl.transformations.base import Inert


class Wait(Inert):
    """Train the next slice with the network as it is. Always legal."""

    name = "wait"
