"""Architecture in, ``nn.Module`` out."""

from mse_rl.networks.child import Child, Role, build_child, empty_child, part_specs
from mse_rl.networks.parts import Parts, ResidualBlock

__all__ = ["Child", "Parts", "ResidualBlock", "Role", "build_child", "empty_child", "part_specs"]
