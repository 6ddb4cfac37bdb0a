"""Growth as a Gymnasium environment; importing this package registers ``mse_rl/Expansion-v0``."""

from gymnasium import register

register(id="mse_rl/Expansion-v0", entry_point="mse_rl.envs.expansion:ExpansionEnv")
