"""What a person sees while a controller learns."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mse_rl.agents.rollout import Episode
from mse_rl.measures import measure_of

WINDOW = 32
"""Episodes that the shown means are taken over."""


class EpisodeBar:
    """A progress bar over episodes, with means over the last 32 of them."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._last: deque[Episode] = deque(maxlen=WINDOW)

    def advance(self, episode: Episode) -> None:
        """Count one episode more."""
        self._last.append(episode)
        number = len(self._last)
        mean_return = sum(e.total_return for e in self._last) / number
        skill = sum(e.final["skill"] for e in self._last) / number
        cost = sum(e.final["cost"] for e in self._last) / number
        shown = measure_of(episode.final["cost_measure"]).shown(cost)
        self._progress.update(
            self._task,
            advance=1,
            means=f"last {WINDOW}: return {mean_return:.3f} skill {skill:.3f} {shown}",
        )


@contextmanager
def episode_bar(console: Console, episodes: int) -> Iterator[EpisodeBar]:
    """Show the bar of a training run."""
    columns = (
        TextColumn("episodes"),
        MofNCompleteColumn(),
        BarColumn(bar_width=8),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[means]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield EpisodeBar(progress, progress.add_task("training", total=episodes, means=""))


@contextmanager
def count_bar(console: Console, description: str, total: int) -> Iterator[Progress]:
    """Show a plain bar; ``progress.advance`` its only task."""
    columns = (TextColumn(description), BarColumn(bar_width=20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        progress.add_task(description, total=total)
        yield progress
