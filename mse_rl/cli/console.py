"""Lines for a person to read."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mse_rl.agents.controller import Episode
from mse_rl.cli.terminal import discard_output
from mse_rl.config.commands import TrainConfig
from mse_rl.costs.measures import measure_of
from mse_rl.errors import counted


class Terminal(Console):
    """A console whose commands go on when nobody reads their output, or the disk behind it is full: they keep
    what they have made.
    """

    lost: OSError | None = None
    """Why lines were not printed, but for a reader who is gone."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, if that can be."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self.lost = error
            discard_output()

    def on_broken_pipe(self) -> None:
        """Print no more."""
        discard_output()


def say(console: Console, line: str) -> None:
    """Print a line as it is: without markup, colours or breaks of rich's own."""
    console.print(with_flags(line), markup=False, highlight=False, soft_wrap=True)


def with_flags(message: str) -> str:
    """Return a message with its settings as flags, which the package writes in backquotes.

    What would move a terminal's cursor or clear it becomes a question mark: names of files and classes may
    hold anything.

    >>> with_flags("raise `memory_budget` or lower `batch_size`")
    'raise --memory-budget or lower --batch-size'
    """
    message = "".join(letter if letter.isprintable() else "?" for letter in message)
    return re.sub(r"`([a-z_]+)`", lambda match: "--" + match[1].replace("_", "-"), message)


UNITS = "episode", "held-out context"
"""What the two bars count."""
WINDOW = 32
"""Episodes that the shown means are taken over."""
LINES = 20
"""Where there is no terminal to draw bars in, a line tells of each of so many parts ..."""
SECONDS_PER_LINE = 60
"""... and a line at least so often."""


class PlainProgress:
    """Lines on how far something is, for a log: a few, however many steps there are."""

    def __init__(self, console: Console) -> None:
        self._console, self._part, self._seconds = console, 0, monotonic()

    def show(self, what: str, done: int, total: int, means: str = "") -> None:
        """Print a line, if it is time for one."""
        part, seconds = LINES * done // total, monotonic()
        if part != self._part or seconds - self._seconds >= SECONDS_PER_LINE:
            self._part, self._seconds = part, seconds
            say(self._console, f"{what} {done}/{total}  {means}".rstrip())


class TrainingBars:
    """A bar over episodes, with means over the last 32 of them; then one over the held-out contexts.

    Args:
        progress: shows them.
        plain: shows them where there is no terminal; None if there is one.
        episodes: to learn from.
        contexts: to compare on.
    """

    def __init__(self, progress: Progress, plain: PlainProgress | None, episodes: int, contexts: int) -> None:
        self._plain = plain
        self._progress, self._contexts = progress, contexts
        self._last: deque[Episode] = deque(maxlen=WINDOW)
        self._learning = progress.add_task("episodes", total=episodes, means="")
        self.started = False
        self._comparing: TaskID | None = None

    def start(self, episodes: int) -> None:
        """Show the first bar, for a run that has had so many episodes."""
        self._progress.update(self._learning, completed=episodes)
        self._progress.start()
        self.started = True
        self._go_on_to_contexts()

    @property
    def done(self) -> str:
        """What was done, in words."""
        bars = self._progress.tasks
        totals = [counted(int(bar.total or 0), UNITS[bar.id]) for bar in bars]
        return " and ".join(f"{bar.completed:,.0f} of {all_}" for bar, all_ in zip(bars, totals, strict=True))

    def episode(self, episode: Episode) -> None:
        """Count one episode more."""
        self._last.append(episode)
        number = len(self._last)
        mean_return = sum(e.total_return for e in self._last) / number
        skill = sum(e.final["skill"] for e in self._last) / number
        cost = sum(e.final["cost"] for e in self._last) / number
        shown = measure_of(episode.final["cost_measure"]).shown(cost)
        means = f"last {WINDOW}: return {mean_return:.3f} skill {skill:.3f} {shown}"
        self._progress.update(self._learning, advance=1, means=means)
        self._show_plainly(self._learning)
        self._go_on_to_contexts()

    def _go_on_to_contexts(self) -> None:
        """Show the second bar, if the first one is full."""
        if self._progress.finished:
            self._comparing = self._progress.add_task("comparing", total=self._contexts, means="held-out")

    def context(self) -> None:
        """Count one held-out context more."""
        if self._comparing is not None:
            self._progress.advance(self._comparing)
            self._show_plainly(self._comparing)

    def _show_plainly(self, bar: TaskID) -> None:
        if self._plain is not None:
            task = self._progress.tasks[bar]
            self._plain.show(
                task.description, int(task.completed), int(task.total or 1), task.fields["means"]
            )


@contextmanager
def training_bars(console: Console, config: TrainConfig) -> Iterator[TrainingBars]:
    """Show the bars of a training run, once it has started."""
    columns = (
        TextColumn("{task.description:9}"),
        MofNCompleteColumn(),
        BarColumn(bar_width=4),  # so that a line fits into a terminal of 80 characters
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[means]}"),
    )
    episodes = config.updates * config.ppo.episodes_per_update
    drawn = console.is_interactive
    progress = Progress(*columns, console=console, disable=not drawn)
    bars = TrainingBars(progress, None if drawn else PlainProgress(console), episodes, config.held_out)
    try:
        yield bars
    finally:
        if bars.started:
            progress.stop()
