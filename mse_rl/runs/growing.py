"""Growing one child by a rule or a learned policy, whoever asks for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from mse_rl.agents.controller import Controller, Episode
from mse_rl.agents.jobs import give_back_memory
from mse_rl.agents.rules import RULES, is_rule, make_rule
from mse_rl.config.commands import ApplyConfig
from mse_rl.config.training import MOST_BATCH, default_batch_size
from mse_rl.costs import training_flops
from mse_rl.costs.compute_optimal import default_passes
from mse_rl.costs.reward import RewardConfig
from mse_rl.data import Task
from mse_rl.data.sources import Tell
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidController, counted, unknown_name
from mse_rl.files import is_folder, named_path
from mse_rl.growth.cache import PrefixCache
from mse_rl.growth.first_child import DEFAULT_BUDGET_MULTIPLE, beginning, first_architecture, rounded
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import CacheEntry, GrowthState
from mse_rl.plugins import is_path
from mse_rl.runs.best_child import grow_best
from mse_rl.runs.grown import Inheritance, load_architecture, load_inheritance
from mse_rl.runs.machine import check_devices
from mse_rl.runs.policy import SHIPPED, Experience, Policy, asked_of, load_policy, own_of
from mse_rl.spec import Architecture
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
        began_with_validation: whether the child that it began from had learnt the validation samples.
    """

    config: ApplyConfig
    task: Task
    episode: Episode
    kept: GrowthState
    process: GrowthProcess
    began_with_validation: bool

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
            "learnt_validation": self.kept.refit or self.began_with_validation,
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
    if not is_rule(name) and (name in SHIPPED or is_folder(named_path(name))):
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
    on_start: Callable[[ApplyConfig], PrefixCache[CacheEntry] | None] = lambda config: None,
) -> Growth:
    """Grow a child.

    Args:
        config: how.
        load: returns the dataset, once all else is known to be there.
        tell: gets one line for each thing that happens.
        controller: decides; the one that the configuration names if not given.
        policy: the controller, if it is one.
        inherited: the child to start from; the one that the configuration names, if any, if not given.
        on_start: called before the first slice with the settings, in which what was left open is chosen;
            returns where the child is kept after every slice, to go on from there: nowhere if None.

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
    give_back_memory()  # words and rows in pieces
    known = inherited is not None and inherited.learnt_validation and inherited.task == task.name
    if known:
        tell("the child to start from has learnt the validation samples, so that skill says too much of it")
    config = _completed(config, task, inherited.child.architecture if inherited else start, policy, tell)
    environment = partial(_environment, task=task, inherited=inherited, start=start, policy=policy)
    env = environment(config)
    if policy and policy.experience:
        _show_what_is_new(config.controller, policy.experience, Experience.of(env), tell)
    config = _with_beginning(config, env)
    env = environment(config)
    context = Context(0, config.seed, DEFAULT_BUDGET_MULTIPLE, default_passes(task.inputs, len(task.train)))
    env.reset(options={"context": context})  # so that what cannot work is said before anything is trained
    _show_length(env, context, tell)
    env.cache = on_start(config)
    episode, kept = grow_best(
        env,
        controller,
        context,
        on_start=lambda: _show_start(env.process, env.renumbering or Renumbering(), tell),
        on_step=lambda: _after_step(env, tell),
    )
    return Growth(config, task, episode, kept, env.process, known)


def _after_step(env: ExpansionEnv, tell: Tell) -> None:
    give_back_memory()
    tell(str(env.render()))


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


def _with_beginning(config: ApplyConfig, env: ExpansionEnv) -> ApplyConfig:
    """Return the settings with the first width, and with the length of training as a number of training FLOPs
    unless they give epochs.
    """
    task, settings = env.tasks[0], env.config

    def flops(first: Architecture) -> float | None:
        if config.minutes is None:
            return config.training_flops
        speed = training_speed(task, first, settings.optimizer, settings.growth.batch_size)
        return rounded(60 * config.minutes * speed)

    first = first_architecture(task, settings.growth, settings.space, env.init, env.start)
    growth = replace(settings.growth, training_flops=flops(first))
    begun = beginning(
        task, growth, settings.space, settings.budget, env.meter, init=env.init, start=env.start
    )
    total = begun.growth.training_flops
    if config.minutes is not None and begun.architecture != first:  # as fast as its own width allows
        total = flops(begun.architecture)
    return replace(config, training_flops=total, minutes=None, space=begun.space)


def _show_length(env: ExpansionEnv, context: Context, tell: Tell) -> None:
    """Report how long a number of training FLOPs takes."""
    total = env.config.growth.training_flops
    if total is None:
        return
    task, first = env.tasks[0], env.first_architecture(context)
    passes = total / training_flops(first, len(task.train))
    speed = training_speed(task, first, env.config.optimizer, env.config.growth.batch_size)
    number = f"{passes:.3g}"
    shown = "1 pass" if number == "1" else f"{number} passes"
    tell(
        f"{total:.3g} training FLOPs: {shown} of the first child over the data, "
        f"about {duration(total / speed)} on this machine",
    )


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
        refit=config.refit,
        render_mode="ansi",
    )


def _steps(epochs: float | None, samples: int, batch_size: int) -> int | None:
    return None if epochs is None else max(1, round(epochs * samples / batch_size))


def _show_start(process: GrowthProcess, renumbering: Renumbering, tell: Tell) -> None:
    """Report what was kept of a child that was taken over, and whether it has to shrink."""
    receipt = process.state.receipt
    if receipt is None:
        return
    new = f"made new: {', '.join(receipt.made_new)}" if receipt.made_new else "nothing is made new"
    tell(f"taken over: {counted(len(receipt.kept), 'module')} kept, {new}")
    for what, numbers in (("inputs", renumbering.inputs), ("classes", renumbering.classes)):
        if numbers is not None:
            tell(
                f"{sum(number >= 0 for number in numbers)} of {len(numbers)} {what} are known by name",
            )
    if not process.fits:
        excess = process.bounds.excess(process.state.architecture)
        tell(f"it is beyond its budget{excess}: until it fits, it shrinks")
