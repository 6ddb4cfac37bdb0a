"""What a shell, a pipe or a notebook hands down, made harmless: streams, and matplotlib's backend."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper

READER_GONE = 141
"""The exit code of a command that a closed pipe ends, as shells have it."""


@contextmanager
def harmless_terminal() -> Iterator[None]:
    """Print question marks for what an encoding lacks, and end without a word where nobody reads.

    Matplotlib draws into files only, whatever window or notebook its backend is for.
    """
    os.environ["MPLBACKEND"] = "agg"
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who started the command
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - for as long as the process
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # Python would complain about the closed pipe at its end
    except BrokenPipeError:
        discard_output()
        raise SystemExit(READER_GONE) from None


def discard_output() -> None:
    """Print whatever comes to nowhere: the reader of a pipe is gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
