"""What the commands do, from Python."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from mse_rl.agents.controller import Controller, Episode, own_controller
from mse_rl.config.commands import DEFAULT_CONTROLLER, ApplyConfig, TrainConfig
from mse_rl.config.training import ExpansionConfig, TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.data.sources import Tell, own_task, silent
from mse_rl.errors import InvalidConfig, InvalidTask
from mse_rl.plugins import label
from mse_rl.runs.comparison import Comparison, compare_controllers
from mse_rl.runs.growing import grow
from mse_rl.runs.grown import Grown, grown_of, inheritance_of
from mse_rl.runs.learning import Listener
from mse_rl.runs.policy import Policy
from mse_rl.runs.train import TrainResult
from mse_rl.runs.train import resume as resume_training
from mse_rl.runs.train import train as run_training


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Restore torch's number of threads afterwards."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def train(
    config: TrainConfig | None = None,
    *,
    tasks: Sequence[Task] | None = None,
    tell: Tell = silent,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> TrainResult:
    """Train a controller, as ``mse-rl train`` does. It takes minutes.

    Args:
        config: of the run; without it, that of ``mse-rl train`` without options.
        tasks: the datasets to learn on; those that ``config`` names if not given.
        tell: gets one line for each thing that a user should know.
        on_episode: called after each episode that the policy learns from.

    Returns:
        The policy, its comparison with the rules on held-out seeds, and the folder of the run.

    Raises:
        MseRlError: for anything that is wrong with tasks or settings.

    Examples:
        Processes play the episodes. A script that calls this therefore needs Python's main guard:

            if __name__ == "__main__":
                result = mse_rl.train(mse_rl.TrainConfig(episodes=480))
                print(result.table)
    """
    with _threads_kept():
        listener = Listener(tell=tell, on_episode=on_episode)
        return run_training(config or TrainConfig(), tasks=tasks, listener=listener)


def resume(
    folder: str | Path,
    *,
    episodes: int | None = None,
    workers: int | str | None = None,
    tasks: Sequence[Task] | None = None,
    trust: bool = False,
    tell: Tell = silent,
    on_episode: Callable[[Episode], None] = lambda episode: None,
) -> TrainResult:
    """Go on with a training run that was interrupted, as ``mse-rl train --resume`` does.

    It goes on from its last checkpoint, with the settings that are in its folder, and ends, on the same
    machine, as it would have ended without the break: the same policy, episodes and comparison, to the bit.

    Args:
        folder: of the run.
        episodes: to learn from in all, which may be more than the run was to have: from here on the policy's
            learning rate then falls as it would in a run of that length.
        workers: processes that play the episodes; as many as before if not given.
        tasks: the datasets, where ``train`` was given some: the same ones.
        trust: import the code of others that the settings in the folder name: tasks, rewards, costs and
            transformations that are not the package's.
        tell: gets one line for each thing that a user should know.
        on_episode: called after each episode that the policy learns from.

    Returns:
        The same as ``train``; of a finished run what it has left.

    Raises:
        MseRlError: if there is no run in the folder, another process is at it, or its data have changed.

    Examples:
        With a main guard, as ``train``:

            if __name__ == "__main__":
                print(mse_rl.resume("runs/mine", episodes=2304).table)
    """
    with _threads_kept():
        return resume_training(
            folder,
            episodes=episodes,
            workers=workers,
            tasks=tasks,
            trust=trust,
            listener=Listener(tell=tell, on_episode=on_episode),
        )


def compare(
    controllers: Mapping[str, str | Path | Policy | Controller | Callable[[], Controller]],
    tasks: Sequence[Task | str],
    *,
    seeds: Sequence[int] = range(8),
    config: ExpansionConfig | None = None,
    workers: int | str = 2,
    tell: Tell = silent,
) -> Comparison:
    """Grow a child with every controller on every task with every seed, all else being equal.

    Args:
        controllers: by the names that the comparison has for them: as ``apply`` takes them. Workers get a
            copy of your own for every child.
        tasks: the datasets, or their names.
        seeds: of first weights, order of data, and of what ``config`` leaves to be drawn: budget, training
            FLOPs and first width.
        config: of the environment; what ``mse-rl train`` has, if not given. Its tasks are not used. With its
            ``cache_dir``, a comparison that was interrupted goes on where it was when it is asked for again.
        workers: processes that play episodes. A script therefore needs Python's main guard; see ``train``.
            ``"ray"`` or ``"ray:8"``: actors on a Ray cluster.
        tell: gets one line for each thing that a user should know.

    Returns:
        All episodes, with tables and paired differences of utility, skill, test accuracy and costs.

    Raises:
        MseRlError: for anything that is wrong with controllers, tasks or settings.

    Examples:
        In a script:

            if __name__ == "__main__":
                rules = {name: name for name in ("balance", "wait", "random")}
                print(mse_rl.compare(rules, ["digits", "wine"], seeds=range(4)).table)
    """
    with _threads_kept():
        return compare_controllers(
            controllers,
            tasks,
            seeds=seeds,
            config=config or ExpansionConfig(),
            workers=workers,
            tell=tell,
        )


def apply(
    task: Task | str | Callable[[TaskConfig], Task],
    controller: str | Path | Policy | Controller | Callable[[], Controller] = DEFAULT_CONTROLLER,
    *,
    init: Grown | str | Path | None = None,
    tell: Tell = silent,
    **settings: Any,
) -> Grown:
    """Grow a network on a dataset, as ``mse-rl apply`` does.

    Args:
        task: the dataset, its name, or a function that makes it.
        controller: a rule, a policy that comes along (``small``), a policy or its folder, the import
            path of a controller, an object with ``decide``, or a class or function that makes one.
        init: a network grown before, or its folder, to start from; it is left as it is.
        tell: gets one line for each thing that happens.
        **settings: fields of ``ApplyConfig``: ``training_flops``, ``seed``, ``family``, ``budget``, ...

    Returns:
        The network; it predicts from raw inputs.

    Raises:
        MseRlError: for anything that is wrong with task or settings, or if the child diverges.

    Examples:
        >>> import mse_rl
        >>> grown = mse_rl.apply("wine")
        >>> grown.predict([[13.2, 1.8, 2.1, 11.2, 100, 2.7, 2.8, 0.26, 1.3, 4.4, 1.05, 3.4, 1050]]).tolist()
        ['class_0']
    """
    if not isinstance(task, str | Task) and not callable(task):
        raise InvalidTask(f"expected a task or its name, got {type(task).__name__}: see Task.from_arrays")
    idle = {"out", "data"} if isinstance(task, Task) else {"out"}
    if given := sorted(idle & settings.keys()):
        raise InvalidConfig(
            f"{given[0]} does nothing here: leave it out, and use Grown.save or the task's own"
        )
    if isinstance(controller, str | Path):
        decider, own = str(controller), None
    else:
        decider, own = label(controller), own_controller(controller, label(controller))
    name = task if isinstance(task, str) else task.name if isinstance(task, Task) else label(task)
    inherited = inheritance_of(init.child, init.growth) if isinstance(init, Grown) else None
    if inherited and settings.get("architecture"):
        raise InvalidConfig(
            "`architecture` starts with new weights, `init` with those of a network, got both: leave one out"
        )
    folder: Any = None if isinstance(init, Grown) else init  # strings become paths there
    config = ApplyConfig(task=name, controller=decider, init=folder, **settings)

    def load() -> Task:
        if isinstance(task, Task):
            return task
        return load_task(task, config.data) if isinstance(task, str) else own_task(task, name, config.data)

    with _threads_kept():
        policy = controller if isinstance(controller, Policy) else None
        growth = grow(config, load, tell, controller=own, policy=policy, inherited=inherited)
    return grown_of(growth.process.child, growth.record)
