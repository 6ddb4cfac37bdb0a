"""A reward of your own: a policy is trained, for a very short while, that is paid for it.

On the command line: ``mse-rl train --reward examples.own_reward:thrifty``.
"""

from mse_rl import ExpansionConfig, GrowthConfig, PPOConfig, RewardConfig, TrainConfig, train
from mse_rl.reward import Worth


def thrifty(worth: Worth, config: RewardConfig) -> dict[str, float]:
    """Return the terms of what a child is worth: skill, less a price that rises with the budget's use."""
    return {"skill": worth.skill, "cost": -config.cost_weight * (worth.cost / worth.cost_budget) ** 2}


def main() -> None:
    """Train on eight episodes of two decisions: enough to see that it runs."""
    env = ExpansionConfig(
        task=("wine",),
        growth=GrowthConfig(slices=2, training_steps=4),
        reward=RewardConfig(reward=thrifty, cost_weight=0.1),
    )
    ppo = PPOConfig(groups=2, rollouts=4)
    result = train(TrainConfig(env=env, ppo=ppo, episodes=8, workers=1, held_out=2))
    print(result.table)


if __name__ == "__main__":  # workers import this file, and must not train
    main()
