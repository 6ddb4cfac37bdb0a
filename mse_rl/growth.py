"""The loop of the method: initialise, train a slice, evaluate, transform, until the schedule ends.

    process = GrowthProcess(
        load_task("digits", TaskConfig()), GrowthConfig(), optimizer=OptimizerConfig(), space=SearchSpace(),
        seed=0, flops_budget=1_000_000,
    )
    while not process.finished:
        name, target = next(process.choices())
        process.advance(name, target)
    process.child, process.state.validation.skill

Nothing here knows of Gymnasium or of controllers.
"""

import time
from collections.abc import Hashable, Iterator
from dataclasses import replace
from math import isfinite

from torch.optim import Optimizer

from mse_rl.architecture import Architecture, Position
from mse_rl.config import GrowthConfig, OptimizerConfig
from mse_rl.cost import TRAINING_PASSES, cost, training_bytes, training_flops
from mse_rl.data import Task
from mse_rl.errors import InvalidConfig, InvalidTransformation, unknown_name
from mse_rl.growth_state import CacheEntry, GrowthState
from mse_rl.networks import Child, build_child
from mse_rl.search_space import SearchSpace, starting_architecture
from mse_rl.training import (
    BatchOrder,
    Measurement,
    Snapshot,
    TrajectoryCache,
    block_statistics,
    capture,
    evaluate,
    learning_rate,
    make_optimizer,
    restore,
    train_slice_,
)
from mse_rl.training.randomness import BIRTH, generator
from mse_rl.transformations import TRANSFORMATIONS, apply

PROBE_SAMPLES = 64
"""Training samples on which deviations and dead units are measured."""


class GrowthProcess:
    """One child, from small to finished.

    Args:
        task: the dataset, on the device where the child is to live.
        config: the schedule.
        optimizer: how the child is trained.
        space: the bounds of growth.
        seed: of first weights, order of data, augmentation and new weights.
        flops_budget: most FLOPs of a forward pass of one sample.
        init: a child grown before, to start from; a new one if not given.
        cache: trajectories of this and other processes.

    Raises:
        InvalidConfig: if the first child is beyond the budgets or the search space, a batch is larger
            than the training split, or ``init`` does not read this task.
    """

    def __init__(
        self,
        task: Task,
        config: GrowthConfig,
        *,
        optimizer: OptimizerConfig,
        space: SearchSpace,
        seed: int,
        flops_budget: int,
        init: Child | None = None,
        cache: TrajectoryCache[CacheEntry] | None = None,
    ) -> None:
        if len(task.train) < config.batch_size:
            raise InvalidConfig(
                f"a batch of {config.batch_size} needs as many training samples, got {len(task.train)} "
                f"of {task.name}: lower --batch-size"
            )
        self.task, self.config, self.space, self.seed = task, config, space, seed
        self.flops_budget = flops_budget
        self._optimizer_config, self._cache, self._init = optimizer, cache, init
        self._device = task.train.x.device
        self._order = BatchOrder(len(task.train), config.batch_size, seed=seed, device=self._device)
        self._probe = task.train.x[:PROBE_SAMPLES]
        self._started_seconds = time.monotonic()
        architecture = self._first_architecture()
        self._require_room(architecture)
        self.first_flops = cost(architecture).flops
        self._timed_out = False
        self._path: tuple[tuple[str, Position | None], ...] = ()
        self._live: tuple[Child, Optimizer] | None = None
        self._snapshot: Snapshot | None = None
        self.state: GrowthState
        if not self._recall():
            self._begin(architecture)

    def _require_room(self, first: Architecture) -> None:
        """Raise unless the first child lies within the search space and the budgets."""
        if not self.space.allows(first):
            raise InvalidConfig(
                f"the first child has {first.depth} blocks and widths up to {first.widest}, but the search "
                f"space ends at {self.space.max_blocks} and {self.space.max_width}: "
                "raise --max-blocks or --max-width"
            )
        if cost(first).flops > self.flops_budget:
            raise InvalidConfig(
                f"the FLOPs budget must be at least {cost(first).flops:,}, those of the first "
                f"{first.family} child on {self.task.name}, got {self.flops_budget:,}: raise --flops-budget"
            )
        memory, needed = self.config.memory_budget, training_bytes(first, self.config.batch_size)
        if memory is not None and needed > memory:
            raise InvalidConfig(
                f"the memory budget must be at least {needed:,} bytes, those of the first {first.family} "
                f"child on {self.task.name}, got {memory:,}: raise --memory-budget or lower --batch-size"
            )

    def _first_architecture(self) -> Architecture:
        shape, classes = self.task.input_shape, self.task.classes
        if self._init is None:
            return starting_architecture(self.config.family, shape, classes, self.space)
        architecture = self._init.architecture
        if architecture.family != self.config.family:
            raise InvalidConfig(
                f"the child to start from is of family {architecture.family}, but {self.config.family} was "
                f"asked for: say --family {architecture.family}"
            )
        if (architecture.input_shape, architecture.classes) != (shape, classes):
            raise InvalidConfig(
                f"{self.task.name} has inputs {shape} and {classes} classes, but the child to start from "
                f"reads {architecture.input_shape} and tells {architecture.classes}: "
                "give one that was grown on the same kind of task"
            )
        return architecture

    @property
    def child(self) -> Child:
        """The child as it is now."""
        return self._materialised()[0]

    @property
    def complete(self) -> bool:
        """Whether the schedule, the target skill or divergence has ended the process."""
        state, target = self.state, self.config.target_skill
        reached = target is not None and state.slice_index > 0 and state.validation.skill >= target
        return state.slice_index >= self.config.slices or state.diverged or reached

    @property
    def timed_out(self) -> bool:
        """Whether the time limit had run out at the end of the last slice."""
        return self._timed_out

    @property
    def finished(self) -> bool:
        """Whether the process has ended, in whichever way."""
        return self.complete or self.timed_out

    @property
    def training_share(self) -> float:
        """FLOPs spent on training, over those of a child that fills the budget all the time."""
        full = TRAINING_PASSES * self.flops_budget * self.config.total_samples
        return self.state.training_flops / full

    @property
    def peak_learning_rate(self) -> float:
        """Highest learning rate of the schedule."""
        return self._optimizer_config.peak_learning_rate

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next training step."""
        step = min(self.state.slice_index * self.config.slice_steps, self.config.total_steps)
        return learning_rate(step, self.config.total_steps, self._optimizer_config)

    def legal(self, name: str, target: Position | None) -> bool:
        """Say whether a transformation may be applied now: known from the pure edit.

        Raises:
            InvalidTransformation: if there is none of that name.
        """
        if name not in TRANSFORMATIONS:
            raise InvalidTransformation(unknown_name("transformation", name, TRANSFORMATIONS))
        if name == "wait":
            return target is None
        transformation = TRANSFORMATIONS[name]
        before = self.state.architecture
        if self.state.stopped or target not in transformation.targets(before):
            return False
        after = transformation.edit(before, target, self.space)
        memory = self.config.memory_budget
        return (
            self.space.allows(after)
            and cost(after).flops <= self.flops_budget
            and (memory is None or training_bytes(after, self.config.batch_size) <= memory)
        )

    def choices(self) -> Iterator[tuple[str, Position | None]]:
        """Yield every legal (transformation, target)."""
        for name, transformation in TRANSFORMATIONS.items():
            for target in transformation.targets(self.state.architecture):
                if self.legal(name, target):
                    yield name, target

    def advance(self, name: str, target: Position | None = None) -> GrowthState:
        """Transform the child, train it for a slice, evaluate it.

        Raises:
            InvalidTransformation: if the transformation is unknown or not legal now.
        """
        if not self.legal(name, target) or self.finished:
            raise InvalidTransformation(
                f"{name} at {target} is not legal at slice {self.state.slice_index} of "
                f"{self.config.slices} under a budget of {self.flops_budget:,} FLOPs: see choices()"
            )
        self._path += ((name, target),)
        if not self._recall():
            self._grow(name, target)
        limit = self.config.time_limit_seconds
        self._timed_out = limit is not None and time.monotonic() - self._started_seconds > limit
        return self.state

    def test(self) -> Measurement:
        """Measure the child on the test split. For the final report only."""
        return evaluate(self.child, self.task.test)

    def _materialised(self) -> tuple[Child, Optimizer]:
        """Return the child and its optimizer, built from the snapshot if they came from the cache."""
        if self._live is None:
            assert self._snapshot is not None
            self._live = restore(self._snapshot, self._optimizer_config, self._device)
        return self._live

    def _begin(self, architecture: Architecture) -> None:
        if self._init is None:
            born = generator(self._device, self.seed, BIRTH)
            child = build_child(architecture, generator=born, device=self._device)
            self._live = child, make_optimizer(child, self._optimizer_config)
        else:
            weights = {name: tensor.clone() for name, tensor in self._init.state_dict().items()}
            self._snapshot = Snapshot(architecture, weights, {})
        self.state = GrowthState(
            slice_index=0,
            architecture=architecture,
            validation=evaluate(self.child, self.task.validation),
            ages={position: 0 for position, _ in architecture},
        )
        self._remember()

    def _grow(self, name: str, target: Position | None) -> None:
        """Do what ``advance`` promises, without the cache."""
        transformation, before = TRANSFORMATIONS[name], self.state
        child, optimizer = self._materialised()
        child, receipt = apply(
            transformation,
            target,
            child,
            optimizer,
            space=self.space,
            probe=self._probe,
            generator=generator(self._device, self.seed, BIRTH, before.slice_index + 1),
        )
        self._live = child, optimizer
        steps = self.config.slice_steps
        loss = train_slice_(
            child,
            optimizer,
            self.task,
            self._order,
            steps=range(before.slice_index * steps, (before.slice_index + 1) * steps),
            total_steps=self.config.total_steps,
            config=self._optimizer_config,
            seed=self.seed,
        )
        validation = evaluate(child, self.task.validation)
        diverged = not (isfinite(loss) and isfinite(validation.loss))
        origins = transformation.origins(before.architecture, target)
        self.state = GrowthState(
            slice_index=before.slice_index + 1,
            architecture=child.architecture,
            validation=Measurement.of_nothing(self.task.classes) if diverged else validation,
            training_loss=loss,
            training_flops=before.training_flops
            + training_flops(child.architecture, steps * self.config.batch_size),
            stopped=before.stopped or name == "stop",
            diverged=diverged,
            ages={new: 1 + (before.ages[old] if old else 0) for new, old in origins.items()},
            blocks=block_statistics(child, self._probe),
            receipt=receipt,
            previous=replace(before, previous=None),
        )
        self._remember()

    @property
    def _key(self) -> Hashable:
        """Everything that determines the child's state. The budget only bounds what may be done."""
        settings = (self.config, self._optimizer_config, self.space, self._init)
        return (self.task, settings, self.seed, self._path)

    def _recall(self) -> bool:
        """Take state and child from the cache; say whether they were there."""
        entry = self._cache.get(self._key) if self._cache is not None else None
        if entry is None:
            return False
        self.state, self._snapshot, self._live = entry.state, entry.snapshot, None
        return True

    def _remember(self) -> None:
        if self._cache is not None:
            self._cache.put(self._key, CacheEntry(self.state, capture(*self._materialised())))
