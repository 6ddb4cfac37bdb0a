"""A child in training, with its optimizer and its data: alive, or a snapshot until it is needed."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor
from torch.optim import Optimizer

from mse_rl.config import GrowthConfig, OptimizerConfig
from mse_rl.data import Task
from mse_rl.networks import Child
from mse_rl.search_space import SearchSpace
from mse_rl.training.evaluation import Measurement, evaluate, evaluate_with_logits
from mse_rl.training.muon import Muon
from mse_rl.training.optimizer import make_optimizer
from mse_rl.training.randomness import BIRTH, BatchOrder, generator
from mse_rl.training.slice import SliceResult, train_slice_
from mse_rl.training.snapshot import Snapshot, capture, restore
from mse_rl.transformations import (
    DEVIATION_SAMPLES,
    Answers,
    ChildStatistics,
    Probe,
    Receipt,
    Target,
    apply,
    transformation,
)

PROBE_SAMPLES = 64
"""Training samples on which GradMax measures its gradient."""


class LiveChild:
    """What trains, is transformed, and is measured.

    Args:
        task: the dataset, on the device where the child lives.
        config: size of batches, and how new units are born.
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
        self._order = BatchOrder(len(task.train), config.batch_size, seed=seed, device=self._device)
        self._probe = Probe(task.train.inputs(slice(PROBE_SAMPLES)), task.train.y[:PROBE_SAMPLES])
        self._live: tuple[Child, Optimizer] | None = None
        self._snapshot: Snapshot | None = None
        self._logits: Tensor | None = None
        self._grew = False
        self.trained_slices, self.seconds = 0, 0.0

    @property
    def child(self) -> Child:
        """The network."""
        return self._awake()[0]

    def begin(self, child: Child) -> None:
        """Take a child that has not been trained yet."""
        self._logits = None
        self._live = child, make_optimizer(child, self._optimizer_config)

    def hold(self, snapshot: Snapshot) -> None:
        """Become what ``snapshot`` was captured from."""
        self._snapshot, self._live, self._logits = snapshot, None, snapshot.logits

    def capture(self) -> Snapshot:
        """Copy child and optimizer."""
        return capture(*self._awake(), self._logits)

    def transform_(
        self, name: str, target: Target, statistics: ChildStatistics, *, slice_index: int
    ) -> Receipt:
        """Apply a transformation, before the slice of that index; ``statistics`` are of the last one."""
        child, optimizer = self._awake()
        child, receipt = apply(
            transformation(name),
            target,
            child,
            optimizer,
            space=self._space,
            probe=self._probe,
            generator=generator(self._device, self._seed, BIRTH, slice_index + 1),
            statistics=statistics,
            new_units=self._config.new_units,
            answers=self._answers(),
        )
        self._grew = receipt.flops_after > receipt.flops_before
        self._live, self._logits = (child, optimizer), None
        return receipt

    def _answers(self) -> Answers | None:
        """Return what the last evaluation has kept; it is on the CPU if it was read from a file."""
        if self._logits is None:
            return None
        x = self._task.validation.inputs(slice(len(self._logits)))
        return Answers(x, self._logits.to(self._device))

    def train_(self, steps: range, rates: Sequence[float]) -> SliceResult:
        """Train for a slice: steps with these numbers, at these learning rates.

        Under Muon, the slice of a child that has just grown begins with shorter filters.
        """
        child, optimizer = self._awake()
        if self._grew and isinstance(optimizer, Muon):
            child.shorten_()
        self._grew = False
        self.trained_slices += 1
        with self._clock():
            return train_slice_(
                child,
                optimizer,
                self._task,
                self._order,
                steps=steps,
                rates=rates,
                config=self._optimizer_config,
                seed=self._seed,
            )

    def validate(self) -> Measurement:
        """Measure the child on the validation split."""
        with self._clock():
            measurement, self._logits = evaluate_with_logits(
                self.child, self._task.validation, samples=DEVIATION_SAMPLES
            )
            return measurement

    def test(self) -> Measurement:
        """Measure the child on the test split. For the final report only."""
        with self._clock():
            return evaluate(self.child, self._task.test)

    def _awake(self) -> tuple[Child, Optimizer]:
        """Return child and optimizer, built from the snapshot if they came from one."""
        if self._live is None:
            assert self._snapshot is not None
            self._live = restore(self._snapshot, self._optimizer_config, self._device)
        return self._live

    @contextmanager
    def _clock(self) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - start
