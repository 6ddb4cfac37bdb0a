"""The command that grows one child: what it prints and writes."""

from functools import partial
from pathlib import Path

from rich.console import Console

from mse_rl.apply_config import ApplyConfig
from mse_rl.cli.console import say
from mse_rl.measures import measure_of
from mse_rl.runs.child_files import save_child
from mse_rl.runs.directory import begin, new_directory
from mse_rl.runs.growing import Growth, excess, grow
from mse_rl.runs.report import save_report
from mse_rl.runs.tasks import load_tasks

FULL = 0.8
"""A child that takes this share of its budget has no room for the smallest growth of it all, ×1.25."""


def apply(config: ApplyConfig, console: Console) -> Path:
    """Grow a child, print each decision, and keep the child with the record of its growth.

    Returns:
        The folder with child.safetensors, architecture.json, growth.json and report.png.

    Raises:
        MseRlError: for anything that is wrong with the settings, or if the child diverges; then no
            folder is made.
    """
    folder = new_directory(config.out)
    tell = partial(say, console)
    growth = grow(
        config,
        lambda: load_tasks((config.task,), config.data, tell)[0],
        tell,
    )
    begin(folder, growth.config)
    save_child(folder, growth.process.child, growth.record)
    accuracy = 100 * (growth.episode.test_accuracy or 0)
    title = f"{config.controller} on {growth.task.name}: test accuracy {accuracy:.2f}%"
    save_report(folder / "report.png", title, growth.timeline)
    _show(folder, growth, console)
    return folder


def _show(folder: Path, growth: Growth, console: Console) -> None:
    episode, kept, process = growth.episode, growth.kept, growth.process
    final = episode.final
    if kept.slice_index < final["slice"]:
        say(
            console,
            f"the child after slice {kept.slice_index} is kept, which validated better than the last one: "
            f"{100 * kept.validation.accuracy:.2f}% to {100 * process.state.validation.accuracy:.2f}%",
        )
    accuracy = 100 * (episode.test_accuracy or 0)
    cost = measure_of(final["cost_measure"]).shown(final["cost"])
    spent = final["training_flops"] / 1e12
    say(console, f"test accuracy {accuracy:.2f}%  {cost}  {spent:.3f} TFLOPs of training")
    if not process.fits:
        say(
            console,
            f"warning: the child is beyond its budget{excess(process)}: give it more `slices` to shrink in",
        )
    elif final["cost"] > FULL * final["cost_budget"]:
        measure = measure_of(final["cost_measure"])
        shown = measure.shown(final["cost_budget"])
        say(console, f"the budget of {shown} left no room to grow: `{measure.budget}` raises it")
    say(console, f"Kept in {folder}: child.safetensors, architecture.json, growth.json, report.png.")
    say(console, f"To use it in Python: mse_rl.load({str(folder)!r}).predict(raw_inputs)")
