"""A training run, read: what was learned, how returns rose, and what the policy chose.

With a run of your own: ``python examples/read_a_run.py runs/mine``. Without one a tiny run is made.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import mse_rl


def tiny_run() -> Path:
    """Train for 16 episodes of two decisions, and return the folder of the run."""
    env = mse_rl.ExpansionConfig(task=("wine",), growth=mse_rl.GrowthConfig(slices=2, training_steps=4))
    ppo = mse_rl.PPOConfig(groups=2, rollouts=4)
    return mse_rl.train(mse_rl.TrainConfig(env=env, ppo=ppo, episodes=16, workers=1, held_out=2)).folder


def main() -> None:
    """Print a line for each question."""
    run = Path(sys.argv[1]) if len(sys.argv) > 1 else tiny_run()
    episodes = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    half = len(episodes) // 2
    for part, name in ((episodes[:half], "first"), (episodes[half:], "second")):
        print(f"{name} half: mean return {sum(e['return'] for e in part) / len(part):+.3f}")
    print(Counter(name for episode in episodes for name, _ in episode["decisions"]).most_common(3))

    policy = mse_rl.Policy.load(run)
    for rule, difference in policy.training["paired"].items():
        print(f"learned minus {rule}: {difference['mean']:+.3f}")


if __name__ == "__main__":
    main()
