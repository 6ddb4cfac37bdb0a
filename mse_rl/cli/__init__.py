"""The commands: wiring only. What a command needs is imported when it runs, so that --help is quick."""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import OmitArgPrefixes, Positional, subcommand

from mse_rl.cli.terminal import harmless_terminal
from mse_rl.config.commands import DEFAULT_CONTROLLER, ApplyConfig, PredictConfig, TrainConfig
from mse_rl.errors import MseRlError

Train = Annotated[
    TrainConfig,
    subcommand("train", description="Train a controller, and compare it with the rules on held-out seeds."),
]


@dataclass(frozen=True)
class _ApplyArguments(ApplyConfig):
    """The same, with the controller named first and without a flag."""

    controller: Positional[str] = DEFAULT_CONTROLLER
    """A rule (wait, random, threshold, widen, pace, balance, compress or static), a policy that comes along
    (small), the folder of a run or policy, or a controller of your own, my_package.module:thing
    (docs/extending.md)."""


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


@harmless_terminal()
def main(arguments: list[str] | None = None) -> None:
    """Run ``mse-rl``; a user's mistake is one line and exit code 2."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # a user's own modules may lie here; workers get the same path
    if (sys.argv[1:] if arguments is None else arguments) == ["--version"]:
        from mse_rl.runs.folders import installed_version

        print(f"mse-rl {installed_version('mse-rl') or '(not installed)'}")
        return
    signal.signal(signal.SIGTERM, _end)  # without it, what workers share would be left in memory
    try:
        config: TrainConfig | ApplyConfig | PredictConfig = tyro.cli(
            Train | Apply | Predict,
            prog="mse-rl",
            description=DESCRIPTION,
            args=arguments,
            config=(OmitArgPrefixes,),
        )
        _run(config)
    except MseRlError as error:
        from mse_rl.cli.console import with_flags

        print(f"mse-rl: {with_flags(str(error))}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("mse-rl: interrupted", file=sys.stderr)
        raise SystemExit(130) from None


def _end(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _run(config: TrainConfig | ApplyConfig | PredictConfig) -> None:
    from mse_rl.cli.console import Terminal

    console = Terminal()
    if isinstance(config, TrainConfig):
        from mse_rl.cli.commands import train

        train(config, console)
    elif isinstance(config, ApplyConfig):
        from mse_rl.cli.commands import apply

        apply(config, console)
    else:
        from mse_rl.cli.commands import predict

        predict(config, console)
