"""Architecture in, ``nn.Module`` out."""

from mse_rl.networks.child import Child, build_child, empty_child

__all__ = ["Child", "build_child", "empty_child"]
