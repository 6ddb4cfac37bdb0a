"""Architecture in, ``nn.Module`` out."""

from mse_rl.networks.child import Child, build_child, empty_child, part_specs
from mse_rl.networks.parts import Parts, ResidualBlock

__all__ = ["Child", "Parts", "ResidualBlock", "build_child", "empty_child", "part_specs"]
