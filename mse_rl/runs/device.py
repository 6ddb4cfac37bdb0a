"""Whether the device that was asked for is there."""

import torch

from mse_rl.errors import InvalidConfig

KINDS = ("cpu", "cuda")


def check_device(name: str) -> None:
    """Raise if children cannot be trained on ``name``.

    Raises:
        InvalidConfig: if there is no such device.
    """
    try:
        if torch.device(name).type not in KINDS:
            raise RuntimeError(f"it is none of {', '.join(KINDS)}")
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidConfig(f"device {name!r} cannot be used here: {reason}; try --device cpu") from error
