"""A controller of your own: a rule that widens while the child does not yet overfit.

On the command line: ``mse-rl apply examples.own_controller:Careful --task wine``.
"""

import numpy as np

import mse_rl
from mse_rl.agents.rules import Rule
from mse_rl.transformations import WAIT, Decision


class Careful(Rule):
    """Widen the whole child by the smallest factor, as long as validation loss is near the training loss."""

    def choose(self, process: mse_rl.GrowthProcess, rng: np.random.Generator) -> Decision:
        """Return a legal decision: the name of a transformation, and where."""
        state = process.state
        if state.training_loss is not None and state.validation.loss > 1.5 * state.training_loss:
            return WAIT
        widenings = [choice for choice in process.choices() if choice.name.startswith("widen_child")]
        return widenings[0] if widenings else WAIT


def main() -> None:
    """Grow a network with it."""
    grown = mse_rl.apply("wine", Careful, training_flops=3e8)
    for entry in grown.growth["timeline"][1:]:
        print(entry["slice"], entry["transformation"], f"{entry['skill']:.3f}", entry["flops"])


if __name__ == "__main__":
    main()
