"""A grown child on disk and in use: saved, loaded, asked for classes, taken over to another task."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mse_rl.data import Task
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidRun, brief
from mse_rl.files import FileKind, is_file, is_folder, named_path, sealed
from mse_rl.networks import Child, empty_child
from mse_rl.runs.folders import (
    make_folder,
    new_folder,
    write_json,
    write_tensors,
)
from mse_rl.spec.architecture import Architecture
from mse_rl.tensors import MOST_TENSOR_BYTES, load_weights
from mse_rl.transformations import Renumbering

_AGAIN = "copy it again"
_ARCHITECTURE = FileKind("an architecture in JSON", InvalidRun, advice=_AGAIN)
_GROWTH = FileKind("the record of a child's growth", InvalidRun, advice=_AGAIN)
_WEIGHTS = FileKind("a child's weights as safetensors", InvalidRun, MOST_TENSOR_BYTES, _AGAIN)


def save_child(folder: Path, child: Child, growth: dict[str, Any]) -> None:
    """Write a child and the record of its growth into ``folder``."""
    make_folder(folder)
    write_tensors(folder / "child.safetensors", child.state_dict())
    write_json(folder / "architecture.json", sealed(json.loads(child.architecture.to_json())))
    write_json(folder / "growth.json", sealed(growth))


def load_architecture(path: str | Path, *, may_differ: bool = True) -> Architecture:
    """Return the architecture of the child in a folder, or in a file that is written like its
    architecture.json.

    Args:
        path: of the folder or file.
        may_differ: whether the file may have been edited since it was written.

    Raises:
        InvalidRun: if there is none.
        InvalidArchitecture: if it describes no child.
    """
    path = named_path(path)
    file = path / "architecture.json" if is_folder(path) else path
    if not is_file(file):
        raise InvalidRun(f"expected a grown child in {brief(path)}, but there is no architecture.json")
    return _ARCHITECTURE.load(file, Architecture.of_plain, may_differ=may_differ)


def load_child(folder: str | Path) -> Child:
    """Return the network that ``mse-rl apply`` left in ``folder``, in eval mode, on the CPU.

    It maps samples (n, *input_shape), normalised with the mean and standard deviation in growth.json, to
    logits (n, classes). Steps of NaN at the end of a sequence are padding. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    folder = named_path(folder)
    child = empty_child(load_architecture(folder, may_differ=False))
    load_weights(child, folder / "child.safetensors", _WEIGHTS)
    return child.eval()


MOST_LETTERS = 2**24
"""Of an array of all classes' names, in which each takes as much as the longest."""
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
        with new_folder(named_path(folder)) as made:
            save_child(made, self.child, self.growth)

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
    names = encoding.get("classes") or encoding.get("labels") or range(count)
    if len(names) * max(len(str(name)) for name in names) > MOST_LETTERS:
        raise ValueError(f"more than {MOST_LETTERS:,} letters in an array of classes")
    classes = np.array(names)
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
    child = load_child(folder)
    return _GROWTH.load(named_path(folder) / "growth.json", partial(grown_of, child))


@dataclass(frozen=True)
class Inheritance:
    """A child to start from.

    Args:
        child: the network.
        task: name of the dataset that it was grown on.
        inputs: names of its tokens or features, in order; None if they have none.
        classes: names of its classes, in order; None if they have none.
        learnt_validation: whether it was trained on the validation samples of its task as well.
    """

    child: Child
    task: str
    inputs: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    learnt_validation: bool

    def renumbering(self, task: Task) -> Renumbering:
        """Return what the numbers of ``task`` were for the child.

        Inputs without names mean what their place says. Classes without names are the same on the same
        dataset, and others on another one.
        """
        reader = InputReader.of_record(task.record)
        inputs = _numbers(self.inputs, reader.names)
        classes = _numbers(self.classes, reader.classes)
        named = self.classes is not None and reader.classes is not None
        if not named and task.name != self.task:
            classes = (-1,) * task.classes
        return Renumbering(inputs, classes)


def inheritance_of(child: Child, record: dict[str, Any]) -> Inheritance:
    """Return a copy of a child, in float32, as the start of another growth.

    Args:
        child: left as it is.
        record: of its growth, growth.json.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: if that is no such record.
    """
    reader = InputReader.of_record(record["input"])
    learnt = bool(record.get("learnt_validation", False))
    return Inheritance(deepcopy(child).float(), str(record["task"]), reader.names, reader.classes, learnt)


def load_inheritance(folder: Path) -> Inheritance:
    """Return the child that ``mse-rl apply`` left in ``folder``. Nothing is unpickled.

    Raises:
        InvalidRun: if a file is missing or does not fit.
        InvalidArchitecture: if architecture.json describes no child.
    """
    child, path = load_child(folder), folder / "growth.json"
    inherited = _GROWTH.load(path, partial(inheritance_of, child))
    architecture = child.architecture
    _require_names(path, "inputs", inherited.inputs, architecture.vocabulary or architecture.input_size)
    _require_names(path, "classes", inherited.classes, architecture.classes)
    return inherited


def _numbers(before: Sequence[str] | None, after: Sequence[str] | None) -> tuple[int, ...] | None:
    """Return for each name the number that it had, -1 if it is new; None without names, or if all stay."""
    if before is None or after is None or before == after:
        return None
    known = {name: number for number, name in enumerate(before)}
    return tuple(known.get(name, -1) for name in after)


def _require_names(path: Path, what: str, names: tuple[str, ...] | None, count: int) -> None:
    if names is None:
        return
    if len(names) != count or not all(isinstance(name, str) for name in names):
        raise InvalidRun(f"expected the names of {count} {what} in {path}, got {len(names)}: {names[:3]!r} …")
