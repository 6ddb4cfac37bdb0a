"""What a terminal, a pipe or a notebook hands down."""

import os
import sys
from contextlib import contextmanager
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest
from rich.console import Console

from mse_rl.cli import main
from mse_rl.cli.console import PlainProgress, Terminal, say
from mse_rl.cli.terminal import READER_GONE, harmless_terminal


@contextmanager
def closed_pipe(monkeypatch):
    """Make standard output a pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", pipe)
        yield


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    "command", [["--help"], ["train", "--help"], ["apply", "--help"], ["predict", "--help"]]
)
def test_help_is_printed_in_any_encoding(monkeypatch, command, encoding):
    content = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(content, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code in (0, None)
    assert b"usage: mse-rl" in content.getvalue()


def test_help_that_nobody_reads_ends_as_shells_have_it(monkeypatch):
    with closed_pipe(monkeypatch), pytest.raises(SystemExit) as ended:
        main(["apply", "--help"])
    assert ended.value.code == READER_GONE


def test_a_command_goes_on_when_nobody_reads(monkeypatch):
    with closed_pipe(monkeypatch), harmless_terminal():
        console = Terminal()
        for number in range(3):
            say(console, f"line {number}")


@contextmanager
def full_disk(monkeypatch, stream="stdout"):
    """Make a stream a device that is full."""
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with open("/dev/full", "w") as device, monkeypatch.context() as patch:
        patch.setattr(sys, stream, device)
        yield


@pytest.mark.parametrize("command", [["--help"], ["--version"], ["apply", "--help"]])
def test_output_onto_a_full_disk_is_one_line_of_error(monkeypatch, command, capsys):
    with full_disk(monkeypatch), pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "mse-rl: expected to print, got: No space left on device; make room behind standard output, or send "
        "it elsewhere"
    ]


def test_a_command_keeps_what_it_makes_when_the_disk_behind_its_output_is_full(monkeypatch, tmp_path, capsys):
    command = ["apply", "wait", "--task", "wine", "--training-flops", "1e7", "--slices", "2"]
    with full_disk(monkeypatch), pytest.raises(SystemExit) as ended:
        main([*command, "--out", str(tmp_path / "o")])
    assert ended.value.code == 2
    assert "expected to print, got: No space" in capsys.readouterr().err
    assert {"child.safetensors", "growth.json", "report.png"} <= {p.name for p in (tmp_path / "o").iterdir()}


def test_an_error_that_cannot_be_printed_ends_with_its_exit_code(monkeypatch):
    with full_disk(monkeypatch, "stderr"), pytest.raises(SystemExit) as ended:
        main(["apply", "--task", "nothing"])
    assert ended.value.code == 2


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "none at all"])
def test_a_backend_that_a_notebook_hands_down_is_not_used(monkeypatch, backend):
    monkeypatch.setenv("MPLBACKEND", backend)
    with harmless_terminal():
        assert os.environ["MPLBACKEND"] == "agg"


def test_a_log_gets_a_few_lines_on_progress():
    log = StringIO()
    progress = PlainProgress(Console(file=log))
    for done in range(1, 1001):
        progress.show("episodes", done, 1000, "return 0.5")
    lines = log.getvalue().splitlines()
    assert lines[0] == "episodes 50/1000  return 0.5"
    assert lines[-1] == "episodes 1000/1000  return 0.5"
    assert 20 <= len(lines) <= 25
