"""A child while it grows, with its optimizer: trained, transformed, captured, restored."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from math import inf

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.data import JoinedSplit, Split, Task
from mse_rl.networks import Child, empty_child
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import Architecture
from mse_rl.tensors import laid_out
from mse_rl.training.evaluation import Evaluation, evaluate, evaluate_with_logits
from mse_rl.training.optimizer import Muon, make_optimizer
from mse_rl.training.slice import INITIAL_WEIGHTS, BatchOrder, SliceResult, generator, train_slice_
from mse_rl.transformations import (
    OUTPUT_CHANGE_SAMPLES,
    Answers,
    ChildStatistics,
    Probe,
    Receipt,
    Target,
    apply,
    transformation,
)

TENSOR_BYTES = 2048
"""What a tensor takes beside its values, with its name and what is known of its units; measured, roughly."""
_WEIGHT, _MOMENT, _LOGITS = "weight ", "moment ", "logits"


@dataclass(frozen=True)
class Snapshot:
    """The state of a child in training.

    Args:
        architecture: what the child is.
        weights: its state dict.
        moments: the optimizer's state, by parameter name.
        logits: (n, classes) its answers to the first validation samples, from the evaluation after its last
            slice; None where there was none.
    """

    architecture: Architecture
    weights: dict[str, Tensor]
    moments: dict[str, dict[str, Tensor]]
    logits: Tensor | None = None

    @property
    def size_bytes(self) -> int:
        """Memory that it takes: values, and what it takes to hold them."""
        return sum(tensor.nbytes + TENSOR_BYTES for tensor in self.to_tensors().values())

    def to_tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name."""
        weights = {f"{_WEIGHT}{name}": tensor for name, tensor in self.weights.items()}
        moments = {
            f"{_MOMENT}{key} {name}": tensor
            for name, state in self.moments.items()
            for key, tensor in state.items()
        }
        logits = {} if self.logits is None else {_LOGITS: self.logits}
        return weights | moments | logits

    @classmethod
    def of_tensors(cls, architecture: Architecture, tensors: dict[str, Tensor]) -> "Snapshot":
        """Return the snapshot that ``to_tensors`` was called on; it has its memory format again.

        Raises:
            ValueError: if the tensors are not those of such a child.
        """
        weights, moments = {}, dict[str, dict[str, Tensor]]()
        logits = tensors.get(_LOGITS)
        for name, tensor in tensors.items():
            if name == _LOGITS:
                continue
            if name.startswith(_WEIGHT):
                weights[name.removeprefix(_WEIGHT)] = tensor
            else:
                key, _, parameter = name.removeprefix(_MOMENT).partition(" ")
                moments.setdefault(parameter, {})[key] = tensor
        expected = empty_child(architecture).state_dict()
        same = weights.keys() == expected.keys() and all(
            (tensor.shape, tensor.dtype) == (expected[name].shape, expected[name].dtype)
            for name, tensor in weights.items()
        )
        if not same or any(
            name not in expected
            or moment.shape not in ((), expected[name].shape)
            or (moment.dim() and moment.dtype != expected[name].dtype)
            for name, state in moments.items()
            for moment in state.values()
        ):
            raise ValueError(f"the tensors do not fit a child of {architecture}")
        if logits is not None and (logits.dim(), logits.shape[-1:]) != (2, (architecture.classes,)):
            raise ValueError(f"expected logits for {architecture.classes} classes, got {tuple(logits.shape)}")
        weights = {name: laid_out(tensor, expected[name]) for name, tensor in weights.items()}
        for name, state in moments.items():
            for key, moment in state.items():
                like = expected[name] if moment.dim() else moment  # else it is the number of steps
                state[key] = laid_out(moment, like)
        return cls(architecture, weights, moments, None if logits is None else logits.clone())


def capture(child: Child, optimizer: Optimizer, logits: Tensor | None = None) -> Snapshot:
    """Copy the state of a child and its optimizer; ``logits`` are kept as they are."""
    return Snapshot(
        child.architecture,
        {name: tensor.clone() for name, tensor in child.state_dict().items()},
        {
            name: {key: value.clone() for key, value in optimizer.state[p].items()}
            for name, p in child.named_parameters()
            if p in optimizer.state
        },
        logits,
    )


def restore(
    snapshot: Snapshot, config: OptimizerConfig, device: torch.device | str
) -> tuple[Child, Optimizer]:
    """Build the child and the optimizer that ``snapshot`` was captured from."""
    child = empty_child(snapshot.architecture)
    weights = {name: tensor.to(device, copy=True) for name, tensor in snapshot.weights.items()}
    child.load_state_dict(weights, assign=True)
    child.compact_()
    optimizer = make_optimizer(child, config)
    parameters = dict(child.named_parameters())
    for name, state in snapshot.moments.items():
        optimizer.state[parameters[name]] = {key: value.to(device, copy=True) for key, value in state.items()}
    return child, optimizer


PROBE_SAMPLES = 64
"""Training samples on which GradMax measures its gradient."""


class LiveChild:
    """What trains, is transformed, and is measured.

    Args:
        task: the dataset, on the device where the child lives.
        config: size of batches, and how new units are initialized.
        optimizer: how the child is trained.
        space: the bounds of growth.
        seed: of order of data, augmentation and new weights.

    Attributes:
        trained_slices: slices that were trained here, whatever became of them.
        seconds: time that their training and all evaluation took.
    """

    def __init__(
        self, task: Task, config: GrowthConfig, optimizer: OptimizerConfig, space: SearchSpace, *, seed: int
    ) -> None:
        self._task, self._config, self._optimizer_config = task, config, optimizer
        self._space, self._seed = space, seed
        self._device = task.train.device
        self._order = self._order_of(task.train)
        self._probe = Probe(task.train.inputs(slice(PROBE_SAMPLES)), task.train.y[:PROBE_SAMPLES])
        self._live: tuple[Child, Optimizer] | None = None
        self._snapshot: Snapshot | None = None
        self._logits: Tensor | None = None
        self._grew = False
        self.trained_slices, self.seconds = 0, 0.0

    @property
    def child(self) -> Child:
        """The network."""
        return self._built()[0]

    def begin(self, child: Child) -> None:
        """Begin with a child that has not been trained yet."""
        self._logits = self._snapshot = None
        self._live = child, make_optimizer(child, self._optimizer_config)

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the child that ``snapshot`` was captured from."""
        self._snapshot, self._live, self._logits = snapshot, None, snapshot.logits

    def capture(self) -> Snapshot:
        """Copy child and optimizer, unless they are what was captured or restored last."""
        if self._snapshot is None:
            self._snapshot = capture(*self._built(), self._logits)
        return self._snapshot

    def weights_norm(self) -> float:
        """Return the norm of all weights; it is finite if they are."""
        return get_total_norm([parameter.detach() for parameter in self.child.parameters()]).item()

    def free_(self) -> None:
        """Let go of a child that was given up, and of what a GPU still holds for it."""
        self._live = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def transform_(
        self, name: str, target: Target, statistics: ChildStatistics, *, slice_index: int
    ) -> Receipt:
        """Apply a transformation, before the slice of that index; ``statistics`` are of the last one."""
        child, optimizer = self._changing()
        child, receipt = apply(
            transformation(name),
            target,
            child,
            optimizer,
            space=self._space,
            probe=self._probe,
            generator=generator(self._device, self._seed, INITIAL_WEIGHTS, slice_index + 1),
            statistics=statistics,
            new_units=self._config.new_units,
            answers=self._answers(),
        )
        self._grew = receipt.flops_after > receipt.flops_before
        self._live, self._logits = (child, optimizer), None
        return receipt

    def _answers(self) -> Answers | None:
        """Return the answers that the last evaluation kept; they are on the CPU if read from a file."""
        if self._logits is None:
            return None
        x = self._task.validation.inputs(slice(len(self._logits)))
        return Answers(x, self._logits.to(self._device))

    def train_(self, steps: range, rates: Sequence[float], *, refit: bool = False) -> SliceResult:
        """Train for a slice: steps with these numbers, at these learning rates.

        Under Muon, the slice of a child that has just grown begins with shorter filters.

        Args:
            steps: numbers of the training steps, counted from the child's first.
            rates: learning rate of each of them.
            refit: train on the samples of the validation split as well.
        """
        child, optimizer = self._changing()
        split, order = self._joined if refit else (self._task.train, self._order)
        if self._grew and isinstance(optimizer, Muon):
            child.shorten_()
        self._grew = False
        self.trained_slices += 1
        with self._clock():
            return train_slice_(
                child,
                optimizer,
                self._task,
                order,
                split=split,
                steps=steps,
                rates=rates,
                config=self._optimizer_config,
                seed=self._seed,
                limit_seconds=self._config.slice_limit_seconds or inf,
            )

    def _order_of(self, split: Split | JoinedSplit) -> BatchOrder:
        return BatchOrder(len(split), self._config.batch_size, seed=self._seed, device=self._device)

    @cached_property
    def _joined(self) -> tuple[JoinedSplit, BatchOrder]:
        """The samples of the training and the validation split, and their order."""
        split = JoinedSplit(self._task.train, self._task.validation)
        return split, self._order_of(split)

    def validate(self) -> Evaluation:
        """Measure the child on the validation split."""
        with self._clock():
            child, _ = self._changing()  # its answers are kept with it
            measurement, self._logits = evaluate_with_logits(
                child, self._task.validation, samples=OUTPUT_CHANGE_SAMPLES
            )
            return measurement

    def test(self) -> Evaluation:
        """Measure the child on the test split. For the final report only."""
        with self._clock():
            return evaluate(self.child, self._task.test)

    def _changing(self) -> tuple[Child, Optimizer]:
        """Return child and optimizer, which are about to become something else than was captured."""
        built, self._snapshot = self._built(), None
        return built

    def _built(self) -> tuple[Child, Optimizer]:
        """Return child and optimizer, built from the snapshot if they came from one."""
        if self._live is None:
            assert self._snapshot is not None
            self._live = restore(self._snapshot, self._optimizer_config, self._device)
        return self._live

    @contextmanager
    def _clock(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start
