"""A meter that measures nothing: what depends on latency becomes exact."""

from mse_rl.measures import Latency


class DepthMeter:
    """Says that a child takes a millisecond a block, with a spread of a tenth; and remembers who asked."""

    def __init__(self):
        self.asked = []

    def measure(self, architecture):
        self.asked.append(architecture)
        return Latency(1e-3 * architecture.depth, 1e-4 * architecture.depth)

    def within(self, folder):
        return self
