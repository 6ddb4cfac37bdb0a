"""Weights from a file, checked against the module that they are meant for."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from mse_rl.errors import InvalidRun


def load_weights(module: nn.Module, path: Path) -> None:
    """Give ``module``, which may be on the meta device, the tensors in ``path``. Nothing is unpickled.

    Raises:
        InvalidRun: if there is no such file, it holds no tensors, or they do not fit.
    """
    if not path.is_file():
        raise InvalidRun(f"expected weights in {path}, but there is no such file")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InvalidRun(f"expected safetensors in {path}, got: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    got = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if got != expected:
        wrong = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
        raise InvalidRun(
            f"{path} does not fit what it should hold: {len(wrong)} tensors differ, the first is {wrong[0]} "
            f"(expected {expected.get(wrong[0])}, got {got.get(wrong[0])})"
        )
    module.load_state_dict(tensors, assign=True)
