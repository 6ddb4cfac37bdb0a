"""The loop of the method: initialise, train a slice, evaluate, transform, until the schedule ends.

    process = GrowthProcess(load_task("digits", TaskConfig()))
    while not process.finished:
        process.advance(*random.choice(process.choices()))

Nothing here knows of Gymnasium or of controllers.
"""

import time
from collections.abc import Sequence
from functools import cached_property

from mse_rl.config.training import GrowthConfig, OptimizerConfig, default_batch_size
from mse_rl.costs import cost, training_flops
from mse_rl.costs.compute_optimal import optimal_flops
from mse_rl.costs.measures import BudgetConfig, Meter
from mse_rl.data import Task
from mse_rl.errors import InvalidConfig, InvalidTransformation, unknown_name
from mse_rl.growth.cache import PrefixCache, PrefixKey, digest, digest_of_child
from mse_rl.growth.first_child import beginning, first_child, require_room, require_steps
from mse_rl.growth.legality import bounds_of
from mse_rl.growth.state import CacheEntry, GrowthState, Spent, faulty, grown, rolled_back
from mse_rl.networks import Child
from mse_rl.networks.latency import LatencyMeter
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Architecture
from mse_rl.training import Evaluation, LiveChild, fault_of, learning_rate, require_finite
from mse_rl.training.slice import INITIAL_WEIGHTS, generator
from mse_rl.transformations import Decision, Renumbering, Target, operations, transformation


class GrowthProcess:
    """One child, from small to finished; or, under a budget that it does not fit, from large to small.

    Args:
        task: the dataset, on the device where the child is to live.
        config: the schedule and the rules of growth; ten slices of the batches that ``mse-rl apply`` takes
            if not given. Its length is what ``mse-rl apply`` chooses if not given.
        optimizer: how the child is trained; what measured best for its family if not given.
        space: the bounds of growth; those of ``SearchSpace()`` if not given. Where the schedule is a number
            of training FLOPs, a first width that is not given is the one that ``mse-rl apply`` chooses.
        seed: of first weights, order of data, augmentation and new weights.
        budget: bounds the costs of the child; 16 times what the first child costs, in the measure that is
            priced, if not given.
        init: a child grown before, to start from; a new one if not given. What of it does not fit the
            task is made new, and one beyond the budgets has to shrink until it fits.
        start: an architecture to start from, with new weights; that of the family's first child if neither
            this nor ``init`` is given.
        renumbering: what tokens, features and classes of the task were for ``init``, if not the same.
        cache: prefixes of this and other processes.
        path: decisions to begin with, as ``advance`` takes them.
        meter: measures latencies, where they are asked for; one of the process's own if not given.
        refit: train the last slice on the validation samples as well, as no decision needs them any more;
            skill stays as it was. Not done in the first slice, nor if it begins with what may be taken back.

    Raises:
        InvalidConfig: if a first child that is new is beyond the budgets, any is beyond the search space,
            a batch is larger than the training split, the schedule does not pay for a training step in each
            slice, or ``init`` is of another family.
        InvalidArchitecture: if the family cannot read the task.
        InvalidTransformation: if a decision of the path is not legal.
    """

    def __init__(
        self,
        task: Task,
        config: GrowthConfig | None = None,
        *,
        optimizer: OptimizerConfig | None = None,
        space: SearchSpace | None = None,
        seed: int = 0,
        budget: BudgetConfig | None = None,
        init: Child | None = None,
        start: Architecture | None = None,
        renumbering: Renumbering | None = None,
        cache: PrefixCache[CacheEntry] | None = None,
        path: Sequence[tuple[str, Target]] = (),
        meter: Meter | None = None,
        refit: bool = False,
    ) -> None:
        samples = len(task.train)
        config = config or GrowthConfig(batch_size=default_batch_size(samples))
        space, budget = space or SearchSpace(), budget or BudgetConfig()
        if samples < config.batch_size:
            raise InvalidConfig(
                f"a batch of {config.batch_size} needs as many training samples, got {samples} "
                f"of {task.name}: lower `batch_size`"
            )
        self._started_seconds = time.monotonic()
        meter = meter or LatencyMeter(budget.latency_batch, budget.latency_device or task.train.device)
        architecture, config, space, budget = beginning(
            task, config, space, budget, meter, init=init, start=start
        )
        self.task, self.config, self.space, self.seed = task, config, space, seed
        self._init, self._renumbering, self._refit = init, renumbering, refit
        self.bounds = bounds_of(config, space, budget, meter)
        self._optimizer_config = (optimizer or OptimizerConfig()).of(
            architecture.family, task.kind, samples / config.batch_size
        )
        self.live = LiveChild(task, config, self._optimizer_config, space, seed=seed)
        require_room(architecture, self.bounds, task, may_shrink=init is not None)
        self.schedule = config.schedule
        require_steps(architecture, self.schedule)
        self.first_architecture = architecture
        self.first_flops, self.first_cost = cost(architecture).flops, self.bounds.cost(architecture)
        self.cost_budget = budget.cost_budget
        self._timed_out = False
        self.prefix = PrefixKey(self._origin(), cache)
        self._choices: tuple[Decision, ...] = ()
        self._state: GrowthState
        decisions = [Decision(*decision) for decision in path]
        known, entry = self.prefix.advance_to_known(decisions)
        if entry is None:
            self._begin(architecture)
        else:
            self._take(entry)
            if init is None and not self.fits:
                raise InvalidTransformation("the path leads to a child beyond the budgets: shorten it")
        for decision in decisions[known:]:
            if self.advance(*decision).fault:
                raise RuntimeError(f"what went well did not when trained again: {self.state.fault}")

    @property
    def state(self) -> GrowthState:
        """What is known of the child now."""
        return self._state

    def _enter(self, state: GrowthState) -> None:
        self._state = state
        affordable = self.schedule.most_flops(state.slice_index, self.spent)
        self._choices = tuple(self.bounds.choices(state, affordable))

    @property
    def child(self) -> Child:
        """The child as it is now."""
        return self.live.child

    @property
    def complete(self) -> bool:
        """Whether the schedule, the target skill or what went wrong has ended the process."""
        state, target = self.state, self.config.target_skill
        reached = target is not None and state.slice_index > 0 and state.validation.skill >= target
        return state.slice_index >= self.config.slices or state.failed or reached

    @property
    def timed_out(self) -> bool:
        """Whether the time limit had run out at the end of the last slice."""
        return self._timed_out

    @property
    def finished(self) -> bool:
        """Whether the process has ended, in whichever way."""
        return self.complete or self.timed_out

    @property
    def cost(self) -> float:
        """What the child costs, in the measure that is priced."""
        return self.bounds.cost(self.state.architecture)

    @property
    def spent(self) -> int:
        """What has been taken of the schedule: training FLOPs, or training steps."""
        return self.schedule.spent(steps=self.state.training_steps, flops=self.state.training_flops)

    @property
    def share(self) -> float:
        """The share of the schedule that is spent."""
        return self.spent / self.schedule.total

    @property
    def training_share(self) -> float:
        """FLOPs spent on training, over those of a child that fills the budget all the time: one whose FLOPs
        are as many times the first child's as its cost.
        """
        full_flops = self.first_flops * self.cost_budget / self.first_cost
        return self.state.training_flops / self.schedule.full_flops(full_flops)

    @property
    def passes_left(self) -> float:
        """How often what is left of the schedule lets the child see the training split."""
        return self.schedule.passes(self.state.architecture, len(self.task.train), spent=self.spent)

    @property
    def first_passes(self) -> float:
        """How often the whole schedule lets the first child see the training split."""
        return self.schedule.passes(self.first_architecture, len(self.task.train))

    @cached_property
    def optimal_flops(self) -> float:
        """FLOPs of the child of the right size for the schedule; see ``mse_rl.costs.compute_optimal``.

        A schedule of steps counts as the training FLOPs that its first child spends in it.
        """
        first, samples = self.first_architecture, len(self.task.train)
        default = starting_architecture(first.family, self.task.inputs, SearchSpace())
        total = self.first_passes * training_flops(first, samples)
        return optimal_flops(default, samples, total)

    @property
    def peak_learning_rate(self) -> float:
        """Highest learning rate of the schedule, for a child of this width."""
        return self._optimizer_config.peak_at(self.state.architecture.stages[0].width)

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next training step."""
        return self._rates(self.state.architecture, 1)[0]

    def _rates(self, architecture: Architecture, steps: int) -> list[float]:
        """Return the learning rates of the next training steps of a child."""
        price = self.schedule.step_price(architecture) / self.schedule.total
        shares = (self.share + step * price for step in range(steps))
        width = architecture.stages[0].width
        return [learning_rate(share, price, self._optimizer_config, width) for share in shares]

    @property
    def fits(self) -> bool:
        """Whether the child is within its budgets; until it is, it may only shrink."""
        return self.bounds.fit(self.state.architecture)

    def legal(self, name: str, target: Target) -> bool:
        """Return whether a transformation may be applied now: known from the pure edit.

        Raises:
            InvalidTransformation: if there is none of that name.
        """
        known = operations(self.config.transformations)
        if name not in known:
            raise InvalidTransformation(unknown_name("transformation", name, known))
        return (name, target) in self._choices

    def choices(self) -> tuple[Decision, ...]:
        """Return every legal (transformation, target)."""
        return self._choices

    def advance(self, name: str, target: Target = None) -> GrowthState:
        """Transform the child, train it for a slice, evaluate it.

        A transformation that does not preserve the function is taken back if validation skill is lower
        by more than the tolerance afterwards, unless the child has to shrink: the child is what it was
        before it, and the time has passed. So it is after a slice that went wrong: loss or weights are no
        finite numbers, memory or time ran out. At the second such slice the process has ended.

        Raises:
            InvalidTransformation: if the transformation is unknown or not legal now.
        """
        if not self.legal(name, target) or self.finished:
            raise InvalidTransformation(
                f"{name} at {target} is not legal at slice {self.state.slice_index} of "
                f"{self.config.slices} within the budgets: see choices()"
            )
        self.prefix.extend(Decision(name, target))
        entry = self.prefix.lookup()
        if entry is None:
            self._grow(name, target)
        else:
            self._take(entry)
        limit = self.config.time_limit_seconds
        self._timed_out = limit is not None and time.monotonic() - self._started_seconds > limit
        return self.state

    def test(self) -> Evaluation:
        """Measure the child on the test split. For the final report only."""
        return Evaluation.of_nothing(self.task.classes) if self.state.failed else self.live.test()

    def _begin(self, architecture: Architecture) -> None:
        child, receipt = first_child(
            architecture,
            self.task,
            self._init,
            self._renumbering,
            generator=generator(self.task.train.device, self.seed, INITIAL_WEIGHTS),
        )
        self.live.begin(child)
        self._enter(
            GrowthState(
                slice_index=0,
                architecture=architecture,
                validation=self.live.validate(),
                ages={position: 0 for position, _ in architecture},
                receipt=receipt,
            )
        )
        self._remember()

    def _grow(self, name: str, target: Target) -> None:
        """Do what ``advance`` promises, without the cache."""
        captured = self.live.capture()
        try:
            after = self._after_slice(name, target)
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise
            edited = transformation(name).edit(self.state.architecture, target, self.space)
            after = faulty(self.state, edited, Decision(name, target), self._price(edited), fault)
        if after.fault:
            self.prefix.mark(after.fault)
            self.live.free_()
        if after.rolled_back:
            self.live.restore(captured)
        self._enter(after)
        self._remember()

    def _after_slice(self, name: str, target: Target) -> GrowthState:
        """Transform, train and evaluate the child; raise what ``fault_of`` knows, if something goes wrong."""
        before, live = self.state, self.live
        receipt = live.transform_(name, target, before.statistics, slice_index=before.slice_index)
        spent = self._price(live.child.architecture)
        steps = range(before.training_steps, before.training_steps + spent.steps)
        may_fall = transformation(name).preserving or not self.fits
        refit = self._refit and may_fall and 0 < before.slice_index == self.config.slices - 1
        result = live.train_(steps, self._rates(live.child.architecture, spent.steps), refit=refit)
        validation = live.validate()
        require_finite(result.loss, validation.loss, live.weights_norm())
        if may_fall or before.validation.skill - validation.skill <= self.config.skill_tolerance:
            told = None if refit else validation
            return grown(before, live.child.architecture, receipt, result, told, spent)
        return rolled_back(before, receipt, spent)

    def _price(self, architecture: Architecture) -> Spent:
        """Return what the next slice takes of a child."""
        count = self.schedule.slice_steps(architecture, self.state.slice_index, self.spent)
        return Spent(count, training_flops(architecture, count * self.config.batch_size))

    def _origin(self) -> str:
        """Return a key of everything that determines the first child, and how it trains.

        The budget bounds what may be done, and no more, but for a child that has to shrink.
        """
        budget = self.bounds.budget if self._init else None
        rules = (self.config, self._optimizer_config, self.space, budget)
        settings = (*rules, self._renumbering, self.seed, self._refit, str(self.task.train.device))
        parent = digest_of_child(self._init)
        return digest(self.task.fingerprint, parent, self.first_architecture, settings)

    def _take(self, entry: CacheEntry) -> None:
        """Restore state and child from the cache."""
        self.live.restore(entry.snapshot)
        self._enter(entry.state)

    def _remember(self) -> None:
        if self.prefix.keeps:
            self.prefix.remember(CacheEntry(self.state, self.live.capture()))
