"""A grown network with all that it takes to use it: raw inputs go in, classes come out."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mse_rl.architecture import Architecture
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidRun
from mse_rl.networks import Child
from mse_rl.runs.child_files import load_child, save_child
from mse_rl.runs.directory import new_directory

BATCH = 512
"""Samples of a forward pass."""


@dataclass(frozen=True)
class Grown:
    """A network that ``mse-rl apply`` has grown.

    Args:
        child: the network, in eval mode; it maps encoded inputs to logits.
        reader: encodes raw inputs as the training split was encoded.
        classes_: (K,) names or numbers of the classes, in the order of the logits.
        growth: the record of its growth, growth.json.
    """

    child: Child
    reader: InputReader
    classes_: NDArray[Any]
    growth: dict[str, Any]

    @property
    def architecture(self) -> Architecture:
        """The child's architecture."""
        return self.child.architecture

    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return the probability of each class (n, K).

        Args:
            x: raw inputs, as the dataset has them: images, vectors, sequences, token ids, texts, or the rows
                of a table. See ``InputReader``.

        Raises:
            InvalidTask: if they are none, or of another size.
        """
        return self.probabilities(self.reader(x))

    @torch.inference_mode()
    def probabilities(self, inputs: Tensor) -> NDArray[np.float64]:
        """Return the same for encoded inputs, as a task has them."""
        weight = next(self.child.parameters())
        inputs = inputs.to(weight.device)
        inputs = inputs.to(weight.dtype) if inputs.is_floating_point() else inputs
        logits = [self.child(batch) for batch in torch.split(inputs, BATCH)]
        probabilities: NDArray[np.float64] = torch.cat(logits).double().softmax(dim=1).cpu().numpy()
        return probabilities

    def save(self, folder: str | Path) -> None:
        """Write child.safetensors, architecture.json and growth.json into ``folder``; see ``load``.

        Raises:
            InvalidRun: if something is there already, or nothing can be written there.
        """
        save_child(new_directory(Path(folder)), self.child, self.growth)

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the most probable class (n,) of raw inputs, as ``predict_proba`` takes them."""
        found: NDArray[Any] = self.classes_[self.predict_proba(x).argmax(axis=1)]
        return found


def grown_of(child: Child, record: dict[str, Any]) -> Grown:
    """Return a child with what its growth.json says.

    Raises:
        KeyError, TypeError, ValueError: if that is no such record, or of another child.
    """
    reader = InputReader.of_record(record["input"])
    encoding, count = reader.encoding, child.architecture.classes
    classes = np.array(encoding.get("classes") or encoding.get("labels") or range(count))
    if reader.vocabulary != child.architecture.vocabulary:
        raise ValueError(f"{reader.vocabulary} tokens, where the child knows {child.architecture.vocabulary}")
    if len(set(classes.tolist())) != len(classes):
        raise ValueError("classes of one name")
    if reader.shape != child.architecture.input_shape or classes.shape != (count,):
        raise ValueError(
            f"{len(classes)} classes and inputs of {reader.shape}, where the child has {count} and reads "
            f"{child.architecture.input_shape}"
        )
    return Grown(child.eval(), reader, classes, record)


def load(folder: str | Path) -> Grown:
    """Return the network that ``mse-rl apply`` left in ``folder``, on the CPU. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    child, path = load_child(folder), Path(folder) / "growth.json"
    try:
        return grown_of(child, json.loads(path.read_text(errors="replace")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise InvalidRun(f"expected the record of a child's growth in {path}, got: {error!r}") from error
