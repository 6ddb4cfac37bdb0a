"""Growing one child by a rule or a learned policy, whoever asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from mse_rl.agents.controller import Controller, Episode, run_episode
from mse_rl.agents.grouping import HELD_OUT, draw_seeds
from mse_rl.agents.rules import RULES, is_rule, make_rule
from mse_rl.config.apply import MOST_BATCH, ApplyConfig, default_batch_size
from mse_rl.costs.compute_optimal import default_passes, first_width
from mse_rl.costs.measures import measure_of, training_flops
from mse_rl.costs.reward import RewardConfig
from mse_rl.data import Task
from mse_rl.data.sources import Tell
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import Diverged, InvalidController, unknown_name
from mse_rl.files import is_folder
from mse_rl.growth.first_child import (
    DEFAULT_BUDGET_MULTIPLE,
    chosen_training_flops,
    least_training_flops,
    rounded,
)
from mse_rl.growth.legality import bounds_of
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import GrowthState
from mse_rl.plugins import is_path
from mse_rl.runs.best_child import BestChild
from mse_rl.runs.grown import Inheritance, load_architecture, load_inheritance
from mse_rl.runs.machine import check_devices
from mse_rl.runs.policy import SHIPPED, Experience, Policy, asked_of, load_policy, own_of
from mse_rl.spec.architecture import Architecture
from mse_rl.training.slice import duration, training_speed
from mse_rl.transformations import Renumbering

RULE_SLICES = 10
"""Decisions of an episode of a rule, where none are given."""


@dataclass(frozen=True)
class Growth:
    """A child that has grown, and how.

    Args:
        config: the settings, with what was chosen where they named nothing.
        task: the dataset.
        episode: all decisions, and the test accuracy of the child that is kept.
        kept: the state in which the child that is kept was.
        process: holds the child.
    """

    config: ApplyConfig
    task: Task
    episode: Episode
    kept: GrowthState
    process: GrowthProcess

    @property
    def timeline(self) -> list[dict[str, Any]]:
        """What was known at the start and after every slice."""
        return [self.episode.start, *self.episode.infos]

    @property
    def record(self) -> dict[str, Any]:
        """What ``growth.json`` holds."""
        task, episode = self.task, self.episode
        return {
            "task": task.name,
            "input": task.record,
            "seed": episode.context.seed,
            "kept_slice": self.kept.slice_index,
            "test_accuracy": episode.test_accuracy,
            "utility": episode.final["utility"],
            "timeline": self.timeline,
        }


def load_controller(name: str, *, trust: bool = False) -> tuple[Controller, Policy | None]:
    """Return the rule of that name, the policy of that name or in that folder, which comes second as well, or
    the user's own controller at that import path.

    Args:
        name: of one of them; they are looked for in this order.
        trust: see ``load_policy``.

    Raises:
        InvalidController: if it is none of them.
    """
    if not is_rule(name) and (name in SHIPPED or is_folder(Path(name))):
        policy = load_policy(name, trust=trust)
        return policy, policy
    if is_rule(name) or is_path(name):
        return make_rule(name), None
    raise InvalidController(
        f"{unknown_name('controller', name, {*RULES, *SHIPPED})}, or the folder of a run or policy, or "
        "my_package.module:thing"
    )


def grow(
    config: ApplyConfig,
    load: Callable[[], Task],
    tell: Tell,
    *,
    controller: Controller | None = None,
    policy: Policy | None = None,
    inherited: Inheritance | None = None,
) -> Growth:
    """Grow a child.

    Args:
        config: how.
        load: returns the dataset, once all else is known to be there.
        tell: gets one line for each thing that happens.
        controller: decides; the one that the configuration names if not given.
        policy: the controller, if it is one.
        inherited: the child to start from; the one that the configuration names, if any, if not given.

    Raises:
        MseRlError: for anything that is wrong with the settings, or if the child diverges.
    """
    torch.set_num_threads(config.threads)
    if controller is None:
        controller, policy = load_controller(config.controller, trust=config.trust_policy)
    check_devices(config.device, config.budget.latency_device)
    if config.init:
        inherited = load_inheritance(config.init)
    start = load_architecture(config.architecture) if config.architecture else None
    task = load()
    config = _completed(config, task, inherited.child.architecture if inherited else start, policy, tell)
    env = _environment(config, task, inherited, start, policy)
    if policy and policy.experience:
        _show_what_is_new(config.controller, policy.experience, Experience.of(env), tell)
    context = Context(0, config.seed, DEFAULT_BUDGET_MULTIPLE, default_passes(task.inputs, len(task.train)))
    minutes, config = config.minutes, _with_length(config, env, context)
    env = _environment(config, task, inherited, start, policy)
    if inherited is None and start is None:
        config = _with_first_width(config, env, context)
        env = _environment(config, task, inherited, start, policy)
        if minutes is not None:  # the child that it takes for them is as fast as its own width allows
            config = _with_length(replace(config, training_flops=None, minutes=minutes), env, context)
            env = _environment(config, task, inherited, start, policy)
    env.reset(options={"context": context})  # so that what cannot work is said before anything is trained
    _show_length(env, context, tell)
    episode, kept = _grow(env, controller, context, config.seed, tell)
    return Growth(config, task, episode, kept, env.process)


def _grow(
    env: ExpansionEnv, controller: Controller, context: Context, seed: int, tell: Tell
) -> tuple[Episode, GrowthState]:
    """Play the episode, and go back to the child that is kept.

    Returns:
        The episode, with the test accuracy of that child, and the state in which it was.

    Raises:
        Diverged: if the child has.
    """
    best: list[BestChild] = []

    def begun() -> None:
        best.append(BestChild(env.process))
        _show_start(env.process, env.renumbering or Renumbering(), tell)

    def stepped() -> None:
        best[0].see()
        tell(str(env.render()))

    seeds = draw_seeds(seed, HELD_OUT, 0, decisions=env.config.growth.slices)
    episode = run_episode(env, controller, context, seeds=seeds, on_start=begun, on_step=stepped)
    if episode.final["diverged"]:
        raise Diverged(
            f"the child diverged in slice {episode.final['slice']}, and nothing is kept: "
            f"lower `learning_rate`, here {env.process.peak_learning_rate:g}"
        )
    kept = best[0].restore_()
    return replace(episode, test_accuracy=env.process.test().accuracy), kept


def _completed(
    config: ApplyConfig, task: Task, first: Architecture | None, policy: Policy | None, tell: Tell
) -> ApplyConfig:
    """Return the settings, with what task, first child and policy say where the user has said nothing."""
    if config.batch_size is None:
        config = replace(config, batch_size=default_batch_size(len(task.train)))
    if config.family is None and first:
        config = replace(config, family=first.family)
    elif config.family is None and policy:
        config = replace(config, family=policy.family)
    if policy:
        name, asked = config.controller, config.transformations
        names = own_of(policy, name, tell) if asked is None else asked_of(policy, name, asked, tell)
        config = replace(config, transformations=names)
    if policy and config.cost is None:
        config = replace(config, cost=policy.cost)
    return config


def _show_what_is_new(controller: str, seen: Experience, met: Experience, tell: Tell) -> None:
    """Report if a policy meets a kind of input or a family that it was not trained on."""
    if not seen.covers(met):
        tell(f"policy {controller} was trained on {seen}; {met}, are new to it: expect less")


def _with_length(config: ApplyConfig, env: ExpansionEnv, context: Context) -> ApplyConfig:
    """Return the settings with the length of training as a number of training FLOPs, or as epochs."""
    if config.epochs is not None or config.training_flops is not None:
        return config
    task, first, growth = env.tasks[0], env.first_architecture(context), env.config.growth
    if config.minutes is not None:
        speed = training_speed(task, first, env.config.optimizer, growth.batch_size)
        return replace(config, training_flops=rounded(60 * config.minutes * speed), minutes=None)
    return replace(config, training_flops=chosen_training_flops(growth, first, len(task.train)))


def _show_length(env: ExpansionEnv, context: Context, tell: Tell) -> None:
    """Tell how long a number of training FLOPs takes."""
    total = env.config.growth.training_flops
    if total is None:
        return
    task, first = env.tasks[0], env.first_architecture(context)
    passes = total / training_flops(first, len(task.train))
    speed = training_speed(task, first, env.config.optimizer, env.config.growth.batch_size)
    tell(
        f"{total:.3g} training FLOPs: {passes:.3g} passes of the first child over the data, "
        f"about {duration(total / speed)} on this machine",
    )


def _with_first_width(config: ApplyConfig, env: ExpansionEnv, context: Context) -> ApplyConfig:
    """Return the settings with the first width that suits the training FLOPs, if none is given."""
    total, task, growth = config.training_flops, env.tasks[0], env.config.growth
    if total is None or config.space.start_width is not None:
        return config
    bounds = bounds_of(growth, config.space, env.budget(context), env.meter)

    def fits(first: Architecture) -> bool:
        return bounds.fit(first) and least_training_flops(growth, first) <= total

    width = first_width(
        env.first_architecture(context).family,
        task.inputs,
        config.space,
        samples=len(task.train),
        total=total,
        fits=fits,
    )
    return config if width is None else replace(config, space=replace(config.space, start_width=width))


def _environment(
    config: ApplyConfig,
    task: Task,
    inherited: Inheritance | None,
    start: Architecture | None,
    policy: Policy | None,
) -> ExpansionEnv:
    steps = _steps(config.epochs, len(task.train), config.batch_size or MOST_BATCH)
    slices = policy.slices if policy else RULE_SLICES
    return ExpansionEnv(
        config.expansion(
            slices=slices if steps is None else min(slices, steps),  # of at least one step each
            reward=policy.reward if policy else RewardConfig(),
            training_steps=steps,
        ),
        tasks=(task,),
        start=start,
        init=inherited.child.to(config.device) if inherited else None,
        renumbering=inherited.renumbering(task) if inherited else None,
        render_mode="ansi",
    )


def _steps(epochs: float | None, samples: int, batch_size: int) -> int | None:
    return None if epochs is None else max(1, round(epochs * samples / batch_size))


def _show_start(process: GrowthProcess, renumbering: Renumbering, tell: Tell) -> None:
    """Tell what was kept of a child that was taken over, and that it has to shrink, if it has."""
    receipt = process.state.receipt
    if receipt is None:
        return
    new = f"made new: {', '.join(receipt.made_new)}" if receipt.made_new else "nothing is made new"
    tell(f"taken over: {len(receipt.kept)} modules kept, {new}")
    for what, numbers in (("inputs", renumbering.inputs), ("classes", renumbering.classes)):
        if numbers is not None:
            tell(
                f"{sum(number >= 0 for number in numbers)} of {len(numbers)} {what} are known by name",
            )
    if not process.fits:
        tell(f"it is beyond its budget{excess(process)}: until it fits, it shrinks")


def excess(process: GrowthProcess) -> str:
    """Return by how much a child is beyond budgets other than that of memory."""
    bounds, architecture = process.bounds, process.state.architecture
    return "".join(
        f", {measure_of(name).shown(bounds.cost(architecture, name))} of "
        f"{measure_of(name).shown(bounds.budget.most[name])}"
        for name in bounds.exceeded(architecture)
    )
