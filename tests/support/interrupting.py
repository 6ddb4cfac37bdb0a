"""Runs that are interrupted, and what runs leave, as it is compared."""

import json
import os
import signal
import subprocess
import sys

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
    del policy["sha256"], policy["training"]["config"]["run_dir"]
    return {name: (folder / name).read_bytes() for name in COMPARED} | scalars | {"policy": policy}


def lines(folder):
    """Return how many episodes a run has had."""
    file = folder / "episodes.jsonl"
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def checkpoints(folder):
    """Return the files of a run's checkpoints, the newest last."""
    return sorted((folder / "checkpoints").glob("*.safetensors"))


KILLED = """
import os, signal, sys
from importlib import import_module
from mse_rl.cli import main

module, name, call, *arguments = sys.argv[1:]
owner, left = import_module(module), [int(call)]
function = getattr(owner, name)

def counted(*given, **settings):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*given, **settings)

setattr(owner, name, counted)
main(arguments)
"""


def killed(arguments, function, call):
    """Start the command line as a process of its own, which is killed as it calls a function once more."""
    command = [sys.executable, "-c", KILLED, *function.split(":"), str(call), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


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
