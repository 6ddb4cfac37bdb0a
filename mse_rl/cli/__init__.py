"""The command line. What it needs is imported when it runs: from its first moment on it knows signals."""

from mse_rl.cli.signals import end_at_once, signals_do
from mse_rl.cli.terminal import harmless_terminal


@harmless_terminal()
def main(arguments: list[str] | None = None) -> None:
    """Run ``mse-rl``; a user's mistake is one line and exit code 2, a signal is one and 128 + its number."""
    with signals_do(end_at_once):
        from mse_rl.cli.arguments import run

        run(arguments)
