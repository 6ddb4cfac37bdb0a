"""What signals do to a command: the first ends it in good order, a second one at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from mse_rl.cli.terminal import discard_output

ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Ctrl-C, the end of a job, and of a terminal or connection."""
LINE = "mse-rl: interrupted"

Action = Callable[[int, FrameType | None], None]


class Interrupted(KeyboardInterrupt):
    """A signal that ends a command in good order."""


@contextmanager
def signals_do(action: Action) -> Iterator[None]:
    """Have signals do something for a while; not those that are ignored, as by nohup."""
    if threading.current_thread() is not threading.main_thread():  # Python allows it there alone
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    ours = {number: now for number, now in before.items() if now is not signal.SIG_IGN}
    for number in ours:
        signal.signal(number, action)
    try:
        yield
    finally:
        for number, now in ours.items():
            signal.signal(number, now)


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End the process with one line: there is nothing to keep, or no time for it. Its workers end with it."""
    processes = sys.modules.get("multiprocessing")  # where it was never imported, there are none
    for child in processes.active_children() if processes else ():
        with suppress(OSError, ValueError):
            child.kill()  # one that is frozen would not see that its parent has ended
    with suppress(OSError, ValueError):
        shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # the cursor, which bars may have hidden
        os.write(2, f"{shown}{LINE}\n".encode())
    os._exit(128 + number)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Have the first signal raise ``Interrupted``, and the second end the process at once.

    Raises:
        SystemExit: once the first has been dealt with, whatever it has led to: a library may make another
            exception of it.
    """
    received = list[int]()

    def first(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for each in ENDING:
            if signal.getsignal(each) is first:
                signal.signal(each, end_at_once)
        raise Interrupted

    with signals_do(first):
        try:
            yield
        except BaseException as error:
            if not received and not isinstance(error, KeyboardInterrupt):
                raise
            _say_goodbye()
            raise SystemExit(128 + (received or [signal.SIGINT])[0]) from None


def _say_goodbye() -> None:
    """Write the line, and what else was to be written, if there is a terminal still."""
    with suppress(OSError):
        print(LINE, file=sys.stderr, flush=True)
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()
