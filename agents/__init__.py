"""Controllers: what picks the transformations. Rules, and a policy learned by PPO."""
