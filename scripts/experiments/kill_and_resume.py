"""Kill training runs at random moments, go on with them, and compare what they leave with one never killed.

    python scripts/experiments/kill_and_resume.py --runs 100

Each run gets SIGKILL one to three times, some time after an episode or context that is drawn, and goes on
with ``mse-rl train --resume``. Compared are, to the byte, the policy, episodes.jsonl and summary.json, and of
TensorBoard every tag, step and value but those of ``time/``. Prints a line for each run, and how many were
equal.
"""

import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TINY = (
    *("--task", "digits", "--max-train", "400", "--slices", "2", "--training-steps", "4"),
    *("--groups", "2", "--rollouts", "4", "--episodes", "40", "--held-out", "3"),
)
EPISODES, UPDATES, CONTEXTS = 40, 5, 3
"""Of such a run."""
MOST_SECONDS = 0.2
"""From what is drawn to the kill."""
COMPARED = "policy/policy.safetensors", "episodes.jsonl", "summary.json"


@dataclass(frozen=True)
class Arguments:
    """The runs."""

    runs: int = 100
    """Runs to kill."""
    most_kills: int = 3
    """Kills of a run at most."""
    workers: int = 2
    """Processes of each run."""
    seed: int = 0
    """Of the moments."""
    folder: Path = Path("runs/kill_and_resume")
    """Where the runs are; those that are equal are removed."""


def main(arguments: Arguments) -> None:
    """Run, kill, go on, compare."""
    drawn = random.Random(arguments.seed)
    reference = arguments.folder / "reference"
    _play(_begin(reference, arguments.workers), reference)
    expected, equal = left(reference), 0
    for number in range(arguments.runs):
        folder = arguments.folder / f"{number:03d}"
        steps = [drawn.randrange(EPISODES + CONTEXTS) for _ in range(drawn.randint(1, arguments.most_kills))]
        told = [_killed(folder, step, drawn.uniform(0, MOST_SECONDS), arguments.workers) for step in steps]
        _play(_command(folder, arguments.workers), folder)
        different = [name for name, what in left(folder).items() if what != expected[name]]
        equal += not different
        print(f"{number}: killed {', '.join(told)}: {', '.join(different) or 'equal'}", flush=True)
        if not different:
            shutil.rmtree(folder)
    print(json.dumps({"runs": arguments.runs, "equal": equal}))


def left(folder: Path) -> dict[str, object]:
    """Return what a run has left, as it is compared."""
    events = EventAccumulator(str(folder / "tb"), size_guidance={"scalars": 0}).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("time/")
    }
    return {name: (folder / name).read_bytes() for name in COMPARED} | {"TensorBoard": scalars}


def _begin(folder: Path, workers: int) -> list[str]:
    return [*_program(), *TINY, "--workers", str(workers), "--run-dir", str(folder)]


def _command(folder: Path, workers: int) -> list[str]:
    """Return what begins a run, or goes on with it, if it has got as far as to have a folder."""
    begun = (folder / "config.json").is_file()
    return [*_program(), "--resume", str(folder)] if begun else _begin(folder, workers)


def _program() -> list[str]:
    return [sys.executable, "-c", "from mse_rl.cli import main; main()", "train"]


def _play(command: list[str], folder: Path) -> None:
    """Run a command to its end."""
    run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode:
        raise SystemExit(f"{folder}: exit code {run.returncode}: {run.stderr}")


def _killed(folder: Path, step: int, seconds: float, workers: int) -> str:
    """Kill a run some seconds after it has reached a step; return how far it was."""
    starts = _starts(folder)
    run = subprocess.Popen(_command(folder, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while (_starts(folder) == starts or _steps(folder) < step) and run.poll() is None:
        time.sleep(0.005)
    time.sleep(seconds)
    over = run.poll() is not None
    run.kill()
    run.wait()
    return "after its end" if over else f"at step {_steps(folder)}"


def _steps(folder: Path) -> int:
    """Return the number of episodes that a run has learned from, and of contexts that it has compared."""
    file, kept = folder / "episodes.jsonl", (folder / "checkpoints").glob("*.safetensors")
    episodes = file.read_bytes().count(b"\n") if file.is_file() else 0
    return episodes + max([0, *(int(path.stem) - UPDATES for path in kept)])


def _starts(folder: Path) -> int:
    """Return how often a run has been started: what was typed is in its folder."""
    typed = folder / "command.txt"
    return len(typed.read_text().splitlines()) if typed.is_file() else 0


if __name__ == "__main__":
    main(tyro.cli(Arguments))
