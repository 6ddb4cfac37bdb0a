"""What a shell, a pipe or a notebook hands down, made harmless: streams, and matplotlib's backend."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TextIO

READER_GONE = 141
"""The exit code of a command that a closed pipe ends, as shells have it."""
_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO")}
"""What a system says that cannot take what is printed."""


@contextmanager
def harmless_terminal() -> Iterator[None]:
    """Print question marks for what an encoding lacks; end without a word where nobody reads, and with one
    line and exit code 2 where the disk behind standard output is full.

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
    except OSError as error:
        if error.errno not in _FULL:
            raise
        discard_output()
        complain(not_printed(error))
        raise SystemExit(2) from None


def not_printed(error: OSError) -> str:
    """Return the complaint about what could not be printed."""
    return f"expected to print, got: {error.strerror}; make room behind standard output, or send it elsewhere"


def complain(line: str) -> None:
    """Print a line to standard error, if that can be."""
    try:
        print(f"mse-rl: {line}", file=sys.stderr, flush=True)
    except OSError:
        discard_output(sys.stderr)


def discard_output(stream: TextIO | None = None) -> None:
    """Send to nowhere whatever is printed from now on, to standard output if no other stream is given."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, (stream or sys.stdout).fileno())
    os.close(nowhere)
