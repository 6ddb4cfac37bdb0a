"""Which steps of sequences and texts are there: what stands behind the last one is padding.

Padding is a step of NaN, or the token PADDING. A child keeps its stream at zero there, counts nothing of it
in means and statistics, and lets no step look at it: what a child says does not depend on how much there is.
"""

import torch
from torch import Tensor

from mse_rl.architecture import PADDING


def steps_there(x: Tensor) -> Tensor | None:
    """Return which steps (n, T) of sequences (n, T, F) or token ids (n, T) are there; the first always is.

    On the CPU None stands for all of them, and saves the work that masks make. Elsewhere to look would be to
    wait for the device, and a CUDA graph could not repeat what came of it.
    """
    missing = x == PADDING if x.dim() == 2 else x.isnan().all(dim=2)
    if x.device.type == "cpu" and not missing.any():
        return None
    numbers = torch.arange(1, x.shape[1] + 1, device=x.device)
    lengths = numbers.masked_fill(missing, 1).amax(dim=1, keepdim=True)  # (n, 1)
    return numbers <= lengths


def without_gaps(x: Tensor) -> Tensor:
    """Return sequences (n, T, F) with 0 for NaN; token ids as they are."""
    return x.masked_fill(x.isnan(), 0) if x.is_floating_point() else x
