"""A grown child on disk: child.safetensors, architecture.json, growth.json."""

from pathlib import Path
from typing import Any

import torch

from mse_rl.architecture import Architecture
from mse_rl.errors import InvalidRun
from mse_rl.networks import Child, empty_child
from mse_rl.runs.directory import write_bytes, write_json, write_tensors
from mse_rl.runs.safe_tensors import load_weights


def save_child(folder: Path, child: Child, growth: dict[str, Any]) -> None:
    """Write a child and the record of its growth into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.cpu() for name, tensor in child.state_dict().items()}
    write_tensors(folder / "child.safetensors", tensors)
    write_bytes(folder / "architecture.json", f"{child.architecture.to_json()}\n".encode())
    write_json(folder / "growth.json", growth)


def load_architecture(path: str | Path) -> Architecture:
    """Return the architecture of the child in a folder, or in a file that is written like its
    architecture.json.

    Raises:
        InvalidRun: if there is none.
        InvalidArchitecture: if it describes no child.
    """
    path = Path(path)
    file = path / "architecture.json" if path.is_dir() else path
    if not file.is_file():
        raise InvalidRun(f"expected a grown child in {path}, but there is no architecture.json")
    return Architecture.from_json(file.read_text(errors="replace"))


def load_child(folder: str | Path) -> Child:
    """Return the network that ``mse-rl apply`` left in ``folder``, in eval mode, on the CPU.

    It maps samples (n, *input_shape), normalised with the mean and deviation in growth.json, to
    logits (n, classes). Steps of NaN at the end of a sequence are padding. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    folder = Path(folder)
    child = empty_child(load_architecture(folder))
    load_weights(child, folder / "child.safetensors")
    return child.to(memory_format=torch.channels_last).eval()
