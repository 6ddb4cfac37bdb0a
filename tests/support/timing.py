"""A meter that measures nothing: what depends on latency becomes exact."""

from mse_rl.costs.measures import Latency


class DepthMeter:
    """Says that a child takes a millisecond for each of its entries and blocks, with a spread of a tenth; and
    remembers who asked.
    """

    def __init__(self):
        self.asked = []

    def measure(self, architecture):
        self.asked.append(architecture)
        return Latency(1e-3 * len(architecture.sites), 1e-4 * len(architecture.sites))

    def within(self, folder):
        return self
