"""What TensorBoard shows of a training run, from the first episode on."""

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]
from torch.utils.tensorboard import SummaryWriter

from mse_rl.agents.rollout import Episode
from mse_rl.envs.actions import ActionTable


class EpisodeWriter:
    """Writes the scalars of every episode; the step is the number of the episode.

    Args:
        writer: where to.
        actions: what the numbers of the episodes' actions stand for.
    """

    def __init__(self, writer: SummaryWriter, actions: ActionTable) -> None:
        self._writer, self._actions = writer, actions
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
            "episode/cost": final["cost"],
            "episode/cost_share_of_budget": final["cost"] / final["cost_budget"],
            "episode/training_flops": final["training_flops"],
            "episode/length": len(episode.actions),
            "episode/cached_share": episode.cached_slices / len(episode.actions),
            **{
                f"reward/{name}": value - episode.start["terms"].get(name, 0.0)
                for name, value in final["terms"].items()
            },
            **_chosen(episode, self._actions),
            **_legal(episode, self._actions),
        }
        values = [Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        # All in one event: one by one they wait for the thread that writes, for 5 ms an episode.
        assert self._writer.file_writer is not None
        self._writer.file_writer.add_summary(Summary(value=values), self._episodes)


def _chosen(episode: Episode, actions: ActionTable) -> dict[str, float]:
    """Return the share of decisions that each transformation was chosen at."""
    names = [info["transformation"] for info in episode.infos]
    return {f"chosen/{name}": names.count(name) / len(names) for name in actions.operations}


def _legal(episode: Episode, actions: ActionTable) -> dict[str, float]:
    """Return the share of decisions that each transformation was legal at, at some target."""
    legal = actions.legal_anywhere(np.array(episode.masks))
    return {f"legal/{name}": float(at.mean()) for name, at in legal.items()}
