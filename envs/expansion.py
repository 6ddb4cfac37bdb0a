"""The Gymnasium face of growth."""

from dataclasses import asdict, dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mse_rl.config.training import ExpansionConfig, GrowthConfig
from mse_rl.costs import cost
from mse_rl.costs.measures import BudgetConfig, Meter, measure_of
from mse_rl.costs.reward import RewardInputs, terms
from mse_rl.data import Task, load_task
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.observation import Observation, observation_space, observe
from mse_rl.errors import InvalidConfig
from mse_rl.growth.cache import PrefixCache, make_cache
from mse_rl.growth.first_child import first_architecture
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import CacheEntry
from mse_rl.networks import Child
from mse_rl.networks.latency import LatencyMeter
from mse_rl.spec import FAMILIES, SearchSpace, first_family, require_family
from mse_rl.spec.architecture import ENTRY, Architecture, Link
from mse_rl.training import ACCOUNTS
from mse_rl.transformations import Renumbering, Target, operations

ILLEGAL_PENALTY = 0.01
"""What an illegal action costs; it does nothing else."""


@dataclass(frozen=True)
class Context:
    """What tells one episode from another before the first decision.

    Args:
        task: index of the dataset.
        seed: of first weights, order of data and all else that is drawn.
        budget_multiple: budget over what the first child costs, in the measure that is priced; not used
            where the configuration gives that budget.
        passes: over the data, for the first child, that the training FLOPs of the episode pay for; not used
            where the configuration gives the length of the schedule.
        width_multiple: width of the first child over that of its family; not used where the configuration
            gives it, or a child to start from.
    """

    task: int
    seed: int
    budget_multiple: float
    passes: float
    width_multiple: float = 1.0


class ExpansionEnv(gymnasium.Env[Observation, np.int64]):
    """One episode trains one child network, from small to finished.

    Before each of its slices the controller picks a transformation of the child, or waits, or
    stops growth; then the child trains for a slice.

    **Action**: ``Discrete``; first the operations on the child, then those on each block, then those on
    each pair of blocks.

    | action | transformation |
    |---|---|
    | 0 | wait |
    | 1 | stop: only ``wait`` is legal from then on; training goes on |
    | 2 to 6 | the others of ``child_operations``: widen or narrow all of the child |
    | 7, 8, ... | row by row, at the entry or block of that row, those of ``block_operations`` |
    | ... | pair by pair, for rows (0, 1), (0, 2), ..., those of ``pair_operations`` |

    On an entry: widen or narrow the stream of its stage. On a block: widen or narrow its units, grow its
    kernel, change its activation, remove it. On both: deepen (a new block of one kind after it). On a pair:
    link, unlink.

    The operations are those of ``actions``, an ``ActionTable``: all that are registered, then those of the
    configuration that are import paths. What the configuration does not name is never legal.

    ``action_masks()`` says which are legal: those that keep the child within the search space and
    every budget. A child that begins beyond its budgets has to shrink first; ``wait``
    is not legal then. An illegal action is a ``wait`` that costs 0.01, or, where that is illegal itself, the
    first that is legal. What is no action at all (a negative number, say) raises ``InvalidTransformation``.

    **Observation**: ``Dict`` of finite float32 boxes, in [-2, 8], where -2 means "not seen yet".

    | key | shape | values |
    |---|---|---|
    | globals | (features,) | ``GLOBAL_FEATURES``: time and budget left, losses, skill, their changes, ... |
    | blocks | (rows · features,) | row by row, ``BLOCK_FEATURES`` of an entry or block; else zero |

    **Reward**: Φ' - Φ, the change in what the child is worth (``mse_rl.costs.reward``).

    **End**: terminated after the schedule's last slice, at the target skill, or when the child has failed;
    truncated at the time limit. Where loss or weights are no finite numbers, or memory or the time of a slice
    runs out, the slice is taken back; the second time the child has failed, and its skill counts as 0.

    **Info**: ``task``, ``slice``, ``share`` (of the schedule that is spent), ``skill``, ``refit`` (whether
    the last slice trained on the validation samples as well; skill, accuracy and all else that is measured on
    them, and utility, are then those before it),
    ``training_loss``, ``validation_loss``, ``accuracy``, ``macro_f1``, ``flops``, ``params``,
    ``training_steps``, ``training_flops``, ``cost_measure`` (what is priced), ``cost``,
    ``cost_budget``, every budget under its own name (``flops_budget``, ...), ``utility`` (Φ), ``terms``
    (of Φ), ``fits`` (the budgets), ``fault`` (of the last slice: diverged, memory, time or None), ``failed``
    and ``receipt``; where latency is priced or bounded also
    ``latency_ms`` and ``latency_spread_ms``; after a step also ``transformation``, ``target`` and
    ``illegal``. Nothing in it differs between two runs of the same episode, unless latency is priced
    or bounded: that is measured, once for each architecture and meter.

    **Reset**: ``options={"context": Context(...)}`` says which episode it shall be; without it
    the context is drawn from the environment's own random numbers. ``"path"`` beside it, a tuple of
    (transformation, target), goes on from there.

    Args:
        config: tasks, children, schedule, budget and reward.
        tasks: the datasets, where they are loaded already.
        init: a child grown before, from which every episode starts.
        start: an architecture from which every episode starts, with new weights.
        renumbering: what tokens, features and classes of the tasks were for ``init``, if not the same.
        cache: of prefixes; as the configuration says if not given.
        meter: measures latencies; one that measures on the device of the configuration if not given.
        refit: train the last slice on the validation samples as well, as ``mse-rl apply`` does; see
            ``GrowthProcess``. Not for rewards: skill is not measured after it.
        render_mode: ``"ansi"``: ``render()`` gives the last decision as a line of text.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 - Gymnasium's own declaration

    def __init__(
        self,
        config: ExpansionConfig | None = None,
        *,
        tasks: tuple[Task, ...] | None = None,
        init: Child | None = None,
        start: Architecture | None = None,
        renumbering: Renumbering | None = None,
        cache: PrefixCache[CacheEntry] | None = None,
        meter: Meter | None = None,
        refit: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.config = config or ExpansionConfig()
        loaded = tasks or tuple(load_task(name, self.config.data) for name in self.config.task)
        self.tasks = tuple(task.to(self.config.device) for task in loaded)
        self.init, self.start, self.renumbering = init, start, renumbering
        budget = self.config.budget
        self.meter = meter or LatencyMeter(budget.latency_batch, budget.latency_device or self.config.device)
        self.render_mode, self.refit = render_mode, refit
        self.actions = ActionTable(
            self.config.space.max_sites, operations(self.config.growth.transformations)
        )
        self.layout = Layout.of(self.actions)
        self.action_space = spaces.Discrete(len(self.actions))
        self.observation_space = observation_space(self.actions.rows)
        self.cache = make_cache(self.config) if cache is None else cache
        self._process: GrowthProcess | None = None
        self._line = ""

    @property
    def process(self) -> GrowthProcess:
        """The growth that is going on.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._process is None:
            raise gymnasium.error.ResetNeeded("call reset() before the environment is used")
        return self._process

    def draw_context(self, rng: np.random.Generator) -> Context:
        """Draw an episode's task, seed, budget, training FLOPs and first width; these three log-uniformly."""
        budget, growth = self.config.budget, self.config.growth
        return Context(
            task=int(rng.integers(len(self.tasks))),
            seed=int(rng.integers(2**31)),
            budget_multiple=_log_uniform(rng, budget.budget_low, budget.budget_high),
            passes=_log_uniform(rng, growth.passes_low, growth.passes_high),
            width_multiple=_log_uniform(rng, growth.width_low, growth.width_high),
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode; see the class for ``options``."""
        super().reset(seed=seed)
        self._line = ""
        options = options or {}
        context = options.get("context") or self.draw_context(self.np_random)
        self._process = GrowthProcess(
            self.tasks[context.task],
            self.growth(context),
            optimizer=self.config.optimizer,
            space=self.space(context),
            seed=context.seed,
            budget=self.budget(context),
            init=self.init,
            start=self.start,
            renumbering=self.renumbering,
            cache=self.cache,
            path=options.get("path", ()),
            meter=self.meter,
            refit=self.refit,
        )
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Decode, transform, train a slice, evaluate, reward, observe."""
        process = self.process
        worth_before = sum(self._terms().values())
        decision = self.actions.decode(action, process.state.architecture)
        illegal = decision is None or not process.legal(*decision)
        name, target = process.choices()[0] if decision is None or illegal else decision
        state = process.advance(name, target)
        info = self._info() | {"transformation": name, "target": target, "illegal": illegal}
        reward = info["utility"] - worth_before - ILLEGAL_PENALTY * illegal
        if not np.isfinite(np.float32(reward)):
            raise InvalidConfig(f"expected finite rewards, got {reward:g} of {info['terms']}: see `reward`")
        terminated = process.complete
        truncated = process.timed_out and not terminated
        quality = "trained on all samples" if state.refit else f"skill {info['skill']:.4f}"
        self._line = (
            f"slice {state.slice_index:3d}/{process.config.slices}  {name:19} {place(target):8} "
            f"{quality}  {measure_of(info['cost_measure']).shown(info['cost']):>15}"
            f"{f'  {ACCOUNTS[state.fault].what}' if state.fault else ''}"
            f"{'  taken back' if state.rolled_back else ''}"
        )
        return self._observation(), reward, terminated, truncated, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Return which actions are legal now, as sb3-contrib's MaskablePPO asks for them."""
        return self.actions.mask(self.process)

    def render(self) -> str | None:
        """Return the last decision as a line of text."""
        return self._line if self.render_mode == "ansi" else None

    def budget(self, context: Context) -> BudgetConfig:
        """Return the budgets of an episode."""
        budget, first = self.config.budget, self.first_architecture(context)
        return budget.completed(measure_of(budget.cost).cost(first, self.meter), context.budget_multiple)

    def growth(self, context: Context) -> GrowthConfig:
        """Return schedule and rules of an episode."""
        first_flops = cost(self.first_architecture(context)).flops
        samples = len(self.tasks[context.task].train)
        return self.config.growth.completed(first_flops, samples, context.passes)

    def space(self, context: Context) -> SearchSpace:
        """Return the search space of an episode: it says how wide the first child is."""
        if self.init is not None or self.start is not None:
            return self.config.space
        config = self.config
        family = config.growth.family or first_family(self.tasks[context.task].inputs)
        require_family(family)
        return config.space.starting_at(context.width_multiple * FAMILIES[family].width)

    def first_architecture(self, context: Context) -> Architecture:
        """Return the architecture that an episode begins with."""
        task, growth = self.tasks[context.task], self.config.growth
        return first_architecture(task, growth, self.space(context), self.init, self.start)

    def _observation(self) -> Observation:
        return observe(self.process, self.config.reward, self.actions.rows)

    def _terms(self) -> dict[str, float]:
        process = self.process
        worth = RewardInputs(
            skill=process.state.validation.skill,
            cost=process.cost,
            cost_start=process.first_cost,
            cost_budget=process.cost_budget,
            training_share=process.training_share,
        )
        return terms(worth, self.config.reward)

    def _costs(self) -> dict[str, Any]:
        """Return cost and budgets; latency with its spread, where it counts."""
        process, budget = self.process, self.process.bounds.budget
        costs = {
            "cost_measure": budget.cost,
            "cost": process.cost,
            "cost_budget": process.cost_budget,
            **{measure_of(measure).budget: most for measure, most in budget.most.items()},
        }
        if budget.latency_budget_ms is not None:
            seen = process.bounds.meter.measure(process.state.architecture)
            costs["latency_ms"] = 1000 * seen.median_seconds
            costs["latency_spread_ms"] = 1000 * seen.spread_seconds
        return costs

    def _info(self) -> dict[str, Any]:
        process, parts = self.process, self._terms()
        state = process.state
        return {
            "task": process.task.name,
            "slice": state.slice_index,
            "share": process.share,
            "skill": state.validation.skill,
            "refit": state.refit,
            "training_loss": state.training_loss,
            "validation_loss": state.validation.loss,
            "accuracy": state.validation.accuracy,
            "macro_f1": state.validation.macro_f1,
            "flops": state.flops,
            "params": state.params,
            "training_steps": state.training_steps,
            "training_flops": state.training_flops,
            **self._costs(),
            "utility": sum(parts.values()),
            "terms": parts,
            "fits": process.fits,
            "fault": state.fault,
            "failed": state.failed,
            "receipt": None if state.receipt is None else asdict(state.receipt),
        }


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(low * (high / low) ** rng.random())


def place(target: Target) -> str:
    """Write a target: ``0`` for the entry of stage 0, ``0.1`` for its block 1, ``0-1.0`` for a pair, nothing
    for the child.
    """
    if target is None:
        return ""
    ends = target if isinstance(target, Link) else (target,)
    return "-".join(str(end.stage) if end.block == ENTRY else f"{end.stage}.{end.block}" for end in ends)
