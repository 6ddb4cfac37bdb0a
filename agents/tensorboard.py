"""What TensorBoard shows of a training run, from the first episode on."""

import numpy as np
from torch.utils.tensorboard import SummaryWriter

from mse_rl.agents.rollout import Episode
from mse_rl.envs.actions import BLOCK_OPERATIONS, CHILD_OPERATIONS


class EpisodeWriter:
    """Writes the scalars of every episode; the step is the number of the episode.

    Args:
        writer: where to.
    """

    def __init__(self, writer: SummaryWriter) -> None:
        self._writer = writer
        self._episodes = 0

    def write(self, episode: Episode) -> None:
        """Write one episode."""
        self._episodes += 1
        final = episode.final
        scalars = {
            "episode/return": episode.total_return,
            "episode/utility": final["utility"],
            "episode/validation_skill": final["skill"],
            "episode/flops": final["flops"],
            "episode/flops_share_of_budget": final["flops"] / final["flops_budget"],
            "episode/training_flops": final["training_flops"],
            "episode/length": len(episode.actions),
            "episode/cached_share": episode.cached_slices / len(episode.actions),
            **{
                f"reward/{name}": value - episode.start["terms"][name]
                for name, value in final["terms"].items()
            },
            **_chosen(episode),
            **_legal(episode),
        }
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, self._episodes)


def _chosen(episode: Episode) -> dict[str, float]:
    """Return the share of decisions that each transformation was chosen at."""
    names = [info["transformation"] for info in episode.infos]
    return {
        f"chosen/{name}": names.count(name) / len(names) for name in (*CHILD_OPERATIONS, *BLOCK_OPERATIONS)
    }


def _legal(episode: Episode) -> dict[str, float]:
    """Return the share of decisions that each transformation was legal at, at some block."""
    masks = np.array(episode.masks)  # (decisions, actions)
    own, by_block = masks[:, : len(CHILD_OPERATIONS)], masks[:, len(CHILD_OPERATIONS) :]
    anywhere = by_block.reshape(len(masks), -1, len(BLOCK_OPERATIONS)).any(axis=1)
    shares = np.concatenate([own, anywhere], axis=1).mean(axis=0)
    return {
        f"legal/{name}": float(share)
        for name, share in zip((*CHILD_OPERATIONS, *BLOCK_OPERATIONS), shares, strict=True)
    }
