"""A family of your own: fully connected children whose units are gated (GEGLU: Shazeer, 2020)."""

from dataclasses import replace

import mse_rl
from mse_rl.networks import PARTS
from mse_rl.networks.mlp import MLP, LinearBlock, LinearMap
from mse_rl.spec import FAMILIES, KINDS, Cost, Kind


class GatedBlock(LinearBlock):
    """x + last(value · act(gate)), of norm(x): ``first`` writes all values, then all gates."""

    def __init__(self, block: mse_rl.Block, width: int) -> None:
        super().__init__(block, width)
        self.first = LinearMap(width, 2 * block.inner)

    def forward(self, x, mask=None):
        """Return x (n, width) plus what the block adds."""
        value, gate = self.first(self.norm(x)).chunk(2, dim=-1)
        return x + self.last(value * self.activation(gate))


def _gated_cost(block: mse_rl.Block, width: int, grid: tuple[int, ...]) -> Cost:
    weights = 3 * width * block.inner
    return Cost(weights, weights + 2 * block.inner + 2 * width, 2 * width + 4 * block.inner)


def _first_child(inputs, widths) -> mse_rl.Architecture:
    stage = mse_rl.Stage(widths.stream, (mse_rl.Block("gated", widths.stream, activation="gelu"),))
    return mse_rl.Architecture("glu", inputs.shape, inputs.classes, (stage,))


KINDS["gated"] = Kind(_gated_cost, activations=True, activation="gelu")
FAMILIES["glu"] = replace(FAMILIES["mlp"], kinds=("gated",), reads=("vector", "image"), start=_first_child)
PARTS["glu"] = lambda architecture: replace(MLP, blocks={"gated": GatedBlock})

if __name__ == "__main__":
    for entry in mse_rl.apply("wine", "random", family="glu", training_flops=3e8).growth["timeline"][1:]:
        print(entry["transformation"], entry["flops"], f"{entry['receipt']['output_change']:.0e}")
