"""Train on, change nothing."""

from mse_rl.transformations.base import WAIT, Inert


class Wait(Inert):
    """Train the next slice with the network as it is. Legal unless the child has to shrink, and can."""

    name = WAIT.name
    changes_nothing = True
