"""Whether the device that was asked for is there."""

import torch

from mse_rl.errors import InvalidConfig

KINDS = ("cpu", "cuda")


def check_devices(training: str, latency: str | None) -> None:
    """Raise if children cannot be trained on the one, or their latency measured on the other, where given.

    Raises:
        InvalidConfig: if there is no such device.
    """
    _check(training, "device")
    if latency is not None:
        _check(latency, "latency_device")


def _check(name: str, setting: str) -> None:
    try:
        if torch.device(name).type not in KINDS:
            raise RuntimeError(f"it is none of {', '.join(KINDS)}")
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        message = f"device {name!r} cannot be used here: {reason}; try cpu as `{setting}`"
        raise InvalidConfig(message) from error
