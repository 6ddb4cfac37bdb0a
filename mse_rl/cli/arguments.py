"""The commands and their options: wiring only. What a command needs is imported when it runs."""

import os
import sys
from argparse import ArgumentParser
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, TypeVar

import tyro
from tyro.conf import OmitArgPrefixes, Positional, subcommand

from mse_rl.cli.signals import ending_in_order
from mse_rl.cli.terminal import complain, not_printed
from mse_rl.config.commands import DEFAULT_CONTROLLER, ApplyConfig, PredictConfig, TrainConfig
from mse_rl.errors import InvalidConfig, MseRlError, WriteFailed


@dataclass(frozen=True)
class _TrainArguments(TrainConfig):
    """The same, or a run to go on with."""

    resume: Path | None = None
    """Go on with the run in this folder, with its settings: beside it only --episodes, which may be raised,
    --workers and --trust-run."""
    trust_run: bool = False
    """Import the tasks, rewards, costs and transformations of others that the settings in the folder name."""


Train = Annotated[
    _TrainArguments,
    subcommand("train", description="Train a controller, and compare it with the rules on held-out seeds."),
]


@dataclass(frozen=True)
class _ApplyArguments(ApplyConfig):
    """The same, with the controller named first and without a flag, or a growth to go on with."""

    controller: Positional[str] = DEFAULT_CONTROLLER
    """A rule (wait, random, threshold, widen, pace, balance, first_move, compress or static), a
    policy that comes along (small), the folder of a run or policy, or a controller of your own,
    my_package.module:thing (docs/extending.md)."""
    resume: Path | None = None
    """Go on with the growth in this folder, with its settings: beside it only --trust-run."""
    trust_run: bool = False
    """Import the code of others that the settings in the folder name."""


Apply = Annotated[
    _ApplyArguments,
    subcommand("apply", description="Grow a network on a dataset, by a learned policy or a rule."),
]


@dataclass(frozen=True)
class _PredictArguments(PredictConfig):
    """The same, with the child named first and without a flag."""

    child: Positional[Path]
    """Folder of a child that apply has grown."""


Predict = Annotated[
    _PredictArguments,
    subcommand("predict", description="Ask a grown network for the classes of a dataset."),
]
DESCRIPTION = (
    "Neural networks that grow while they train, and a controller that learns how to grow them. "
    "--version prints which release this is."
)


def run(arguments: list[str] | None) -> None:
    """Run a command.

    Raises:
        SystemExit: with code 2 for a user's mistake, which was said in one line, or with 128 + the number
            of a signal.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a user's own modules may lie here; workers get the same path
    if arguments == ["--version"]:
        from mse_rl.runs.folders import installed_version

        print(f"mse-rl {installed_version('mse-rl') or '(not installed)'}")
        return
    try:
        _run(_parsed(arguments))
    except MseRlError as error:
        from mse_rl.cli.console import with_flags

        complain(with_flags(str(error)))
        raise SystemExit(2) from None


Parsed = _TrainArguments | _ApplyArguments | _PredictArguments
Resumable = TypeVar("Resumable", _TrainArguments, _ApplyArguments)
Settings = TypeVar("Settings", TrainConfig, ApplyConfig)


def _parsed(arguments: list[str]) -> Parsed:
    """Return what was typed.

    Raises:
        MseRlError: if it cannot be, or no run can go on so.
    """
    command, rest = arguments[:1], arguments[1:]
    if command == ["train"] and (folder := _folder_to_resume(rest)):
        return _to_resume(folder, _TrainArguments, TrainConfig, rest, "mse-rl train", {"episodes", "workers"})
    if command == ["apply"] and (folder := _folder_to_resume(rest)):
        return _to_resume(folder, _ApplyArguments, ApplyConfig, rest, "mse-rl apply", set())
    parsed: Parsed = tyro.cli(
        Train | Apply | Predict,
        prog="mse-rl",
        description=DESCRIPTION,
        args=arguments,
        config=(OmitArgPrefixes,),
    )
    return parsed


def _folder_to_resume(arguments: list[str]) -> Path | None:
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--resume", type=Path, nargs="?")
    folder: Path | None = parser.parse_known_args(arguments)[0].resume
    return folder


def _to_resume(
    folder: Path,
    kind: type[Resumable],
    settings: type[TrainConfig] | type[ApplyConfig],
    arguments: list[str],
    program: str,
    free: set[str],
) -> Resumable:
    """Return the settings of the run in a folder, with what was typed beside ``--resume``.

    Raises:
        InvalidConfig: if something was typed that is settled already.
        InvalidRun: if there is no such run.
    """
    from mse_rl.files import named_path
    from mse_rl.runs.folders import load_config

    trust = "--trust-run" in arguments
    begun = load_config(named_path(folder), settings, trust=trust)
    default = kind(**{field.name: getattr(begun, field.name) for field in fields(begun)})
    parsed = tyro.cli(kind, prog=program, default=default, args=arguments, config=(OmitArgPrefixes,))
    if changed := sorted(_changed(asdict(default), asdict(parsed)) - free - {"resume", "trust_run"}):
        raise InvalidConfig(f"a run goes on with its own settings, got others: leave `{changed[0]}` out")
    return parsed


def _changed(before: dict[str, object], after: dict[str, object]) -> set[str]:
    """Return the names of the settings that differ; those that others are grouped under are no settings."""
    changed = set[str]()
    for name, value in before.items():
        other = after[name]
        if isinstance(value, dict) and isinstance(other, dict):
            changed |= _changed(value, other)
        elif value != other:
            changed.add(name)
    return changed


def _run(parsed: Parsed) -> None:
    from mse_rl.cli import commands
    from mse_rl.cli.console import Terminal

    console = Terminal()
    with ending_in_order():
        if isinstance(parsed, _TrainArguments) and parsed.resume:
            config = _as(TrainConfig, parsed)
            commands.resume_training(parsed.resume, config, parsed.trust_run, console)
        elif isinstance(parsed, _TrainArguments):
            commands.train(_as(TrainConfig, parsed), console)
        elif isinstance(parsed, _ApplyArguments) and parsed.resume:
            commands.resume_growth(parsed.resume, _as(ApplyConfig, parsed), parsed.trust_run, console)
        elif isinstance(parsed, _ApplyArguments):
            commands.apply(_as(ApplyConfig, parsed), console)
        else:
            commands.predict(parsed, console)
    if console.lost:
        raise WriteFailed(not_printed(console.lost))


def _as(kind: type[Settings], parsed: TrainConfig | ApplyConfig) -> Settings:
    """Return what was typed without what only the command line has."""
    return kind(**{field.name: getattr(parsed, field.name) for field in fields(kind)})
