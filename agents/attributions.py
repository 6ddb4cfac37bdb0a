"""Which features a policy's decision rests on."""

import numpy as np
import torch
from torch import Tensor

from mse_rl.agents.controller import Turn
from mse_rl.agents.learned import Learned, known_features

STEPS = 64
"""Points of the path from nothing seen to what is seen."""


def attributions(learned: Learned, turn: Turn) -> dict[str, float]:
    """Return how much each feature contributes to a policy's decision: its integrated gradient.

    a_i = (x_i - x'_i) mean over t of d f(x' + t (x - x')) / d x_i, where f is the logit of the action that is
    taken less the mean logit of the legal ones, and x' the same child with every feature at 0. They add up to
    f(x) - f(x') (Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365).

    Args:
        learned: the policy.
        turn: the decision that is due.

    Returns:
        By the name of the feature; those of blocks, as ``blocks.NAME``, are added up over the rows.
    """
    action, network = learned.decide(turn), learned.network
    layout = network.layout
    globals_, blocks = (
        torch.from_numpy(np.array(part)) for part in known_features(turn.observation, turn.env.layout, layout)
    )
    present = blocks[:, :1]  # which rows there are is no feature of theirs
    shares = (torch.arange(STEPS) + 0.5) / STEPS
    path_globals = (shares[:, None] * globals_).requires_grad_()
    path_blocks = (shares[:, None, None] * blocks[:, 1:]).requires_grad_()
    rows = torch.cat([present.expand(STEPS, -1, -1), path_blocks], dim=2)
    logits = network(path_globals, rows.flatten(1))  # (steps, actions)
    mask = torch.from_numpy(turn.mask)
    margin: Tensor = logits[:, action] - logits[:, mask].mean(dim=1)
    of_globals, of_blocks = torch.autograd.grad(margin.sum(), (path_globals, path_blocks))
    by_global = (of_globals.mean(dim=0) * globals_[0]).tolist()
    by_block = (of_blocks.mean(dim=0) * blocks[:, 1:]).sum(dim=0).tolist()
    return dict(zip(layout.globals, by_global, strict=True)) | {
        f"blocks.{name}": value for name, value in zip(layout.blocks[1:], by_block, strict=True)
    }
