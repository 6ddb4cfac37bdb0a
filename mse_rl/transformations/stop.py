"""Freeze the architecture."""

from mse_rl.transformations.base import Inert


class Stop(Inert):
    """Grow no more. Training goes on to the end of the schedule; only ``wait`` is legal from here."""

    name = "stop"
    ends_growth = True
