"""A Ray cluster of two machines of which one is lost in the middle of a run: is the result that of processes?

    pip install 'mse-rl[ray]'
    python scripts/faults/lose_node.py

The machines are Ray's own stand-ins for tests, processes of this one, with two workers on each. Prints
one JSON object: whether policy, episodes and comparison are those of two processes to the bit, and what
became of workers.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ray
import tyro
from ray.cluster_utils import Cluster

from mse_rl import ExpansionConfig, GrowthConfig, PPOConfig, TrainConfig, train


@dataclass(frozen=True)
class Arguments:
    """What is tried."""

    episodes: int = 32
    lost_after: int = 10
    """Episodes after which one machine is gone."""


def main(arguments: Arguments) -> None:
    """Print the figures."""
    env = ExpansionConfig(task=("wine",), growth=GrowthConfig(slices=4, training_steps=40))
    config = TrainConfig(
        env=env, ppo=PPOConfig(groups=2, rollouts=4), episodes=arguments.episodes, held_out=2
    )
    os.environ["OMP_NUM_THREADS"] = "1"
    with TemporaryDirectory() as home:
        os.chdir(home)
        expected = outcome(train(replace(config, workers=2, run_dir=Path("processes"))).folder)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        _, second = cluster.add_node(num_cpus=2), cluster.add_node(num_cpus=2)
        cluster.wait_for_nodes()
        os.environ["RAY_ADDRESS"] = cluster.address
        seen: list[Any] = []

        def lose(episode: Any) -> None:
            seen.append(episode)
            if len(seen) == arguments.lost_after:
                cluster.remove_node(second, allow_graceful=False)

        folder = train(replace(config, workers="ray:4", run_dir=Path("ray")), on_episode=lose).folder
        log = folder / "workers.log"
        figures = {
            "equal": outcome(folder) == expected,
            "workers": log.read_text().splitlines() if log.exists() else [],
        }
        print(json.dumps(figures, indent=1))
        ray.shutdown()
        cluster.shutdown()


def outcome(folder: Path) -> tuple[bytes, ...]:
    """Return what came of a run."""
    files = "policy/policy.safetensors", "episodes.jsonl", "summary.json"
    return tuple((folder / name).read_bytes() for name in files)


if __name__ == "__main__":
    main(tyro.cli(Arguments))
