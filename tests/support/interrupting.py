"""Runs that are interrupted, and what runs leave, as it is compared."""

import json
import os
import signal
import subprocess
import sys
import time

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

COMPARED = "policy/policy.safetensors", "policy/README.md", "episodes.jsonl", "summary.json"


def left_by_training(folder):
    """Return what a run has left, but for how long things took."""
    events = EventAccumulator(str(folder / "tb")).Reload()
    scalars = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith("time/")
    }
    policy = json.loads((folder / "policy" / "policy.json").read_text())
    policy["training"]["config"].pop("run_dir")
    return {name: (folder / name).read_bytes() for name in COMPARED} | scalars | {"policy": policy}


def lines(folder):
    """Return how many episodes a run has had."""
    file = folder / "episodes.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def checkpoints(folder):
    """Return the files of a run's checkpoints, the newest last."""
    return sorted((folder / "checkpoints").glob("*.safetensors"))


def newest(folder):
    """Return the number of a run's newest checkpoint; 0 if there is none."""
    return max((int(path.stem) for path in checkpoints(folder)), default=0)


def started(arguments):
    """Start the command line as a process of its own."""
    program = [sys.executable, "-c", "from mse_rl.cli import main; main()", *arguments]
    return subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_once(process, reached):
    """Kill a process as soon as ``reached()`` is true."""
    while not reached():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.kill()
    process.communicate()


def counted(monkeypatch, owner, name, act=lambda calls: None):
    """Have ``act`` called with the number of every call of a method; return the numbers, as they come."""
    method, calls = getattr(owner, name), []

    def called(*arguments, **settings):
        calls.append(len(calls) + 1)
        act(calls[-1])
        return method(*arguments, **settings)

    monkeypatch.setattr(owner, name, called)
    return calls


def signal_at(monkeypatch, owner, name, number, calls):
    """Have this process get a signal in a call of a method."""
    counted(monkeypatch, owner, name, lambda call: os.kill(os.getpid(), number) if call == calls else None)


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
"""Those that end a command, and its exit codes."""
