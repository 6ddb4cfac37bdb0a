"""A reward of your own: a policy is trained for it, for a very short while.

On the command line: ``mse-rl train --reward examples.own_reward:thrifty``.
"""

import mse_rl
from mse_rl.costs.reward import RewardInputs


def thrifty(worth: RewardInputs, config: mse_rl.RewardConfig) -> dict[str, float]:
    """Return the terms of what a child is worth: skill, less a price that rises with the budget's use."""
    return {"skill": worth.skill, "cost": -config.cost_weight * (worth.cost / worth.cost_budget) ** 2}


def main() -> None:
    """Train on eight episodes of two decisions: enough to see that it runs."""
    env = mse_rl.ExpansionConfig(
        task=("wine",),
        growth=mse_rl.GrowthConfig(slices=2, training_steps=4),
        reward=mse_rl.RewardConfig(reward=thrifty, cost_weight=0.1),
    )
    ppo = mse_rl.PPOConfig(groups=2, rollouts=4)
    result = mse_rl.train(mse_rl.TrainConfig(env=env, ppo=ppo, episodes=8, workers=1, held_out=2))
    print(result.table)


if __name__ == "__main__":  # workers import this file, and must not train
    main()
