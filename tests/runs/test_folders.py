"""What is written is written whole, into a folder that nobody else has."""

import errno
import os
import signal
import stat
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from support.interrupting import SIGNALS

import mse_rl
from mse_rl.cli.signals import end_at_once, ending_in_order, signals_do
from mse_rl.errors import InvalidRun, WriteFailed
from mse_rl.growth.cache import CacheFolder
from mse_rl.runs.folders import begin, new_folder, require_new, write_bytes
from mse_rl.runs.logs import Log


def full(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_was_there_and_says_so(tmp_path, monkeypatch):
    file = tmp_path / "policy.json"
    write_bytes(file, b"before")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteFailed, match=r"policy\.json, got: No space left on device"):
        write_bytes(file, b"after")
    with Log(tmp_path / "log", 0) as log, pytest.raises(WriteFailed, match="No space left on device"):
        log.kept_length()
    assert file.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"policy.json", "log"}


def test_a_disk_that_is_full_at_the_start_is_left_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteFailed), new_folder(tmp_path / "run") as folder:
        begin(folder, mse_rl.TrainConfig())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_gone_is_one_line(tmp_path):
    with pytest.raises(WriteFailed, match="No such file or directory"):
        write_bytes(tmp_path / "gone" / "file", b"")


def test_two_runs_never_get_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with new_folder(None) as first, new_folder(None) as second, new_folder(None) as third:
        assert len({first, second, third}) == 3
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == sorted(
        path.name for path in (first, second, third)
    )


def test_a_folder_has_one_user_at_a_time_and_one_only(tmp_path):
    with new_folder(tmp_path / "run"), pytest.raises(InvalidRun, match="another process does"):
        new_folder(tmp_path / "run").__enter__()
    with new_folder(tmp_path / "run") as folder:  # nothing was written
        (folder / "file").touch()
    for again in (new_folder(folder).__enter__, lambda: require_new(folder)):
        with pytest.raises(InvalidRun, match="exists already"):
            again()
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_files_are_for_those_whom_the_user_lets_read_them(tmp_path, request):
    request.addfinalizer(partial(os.umask, os.umask(0o027)))
    write_bytes(tmp_path / "file", b"")
    CacheFolder(tmp_path, 1000, mse_rl.Task)._write("key", {}, "")
    modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()]
    assert modes == [0o640, 0o640]


def test_a_tilde_is_a_home_wherever_a_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mse_rl.TrainConfig(run_dir="~/run").run_dir == tmp_path / "run"
    assert mse_rl.ApplyConfig(task="digits", out="~").out == tmp_path
    mse_rl.Policy.load("small").save("~/policy")
    assert mse_rl.Policy.load("~/policy").slices == 10
    for load in (mse_rl.load, mse_rl.load_child, mse_rl.resume):
        with pytest.raises(mse_rl.MseRlError, match=str(tmp_path / "none")):
            load("~/none")
    with pytest.raises(mse_rl.MseRlError, match="`run_dir` must be a path, got '~nobody-of-that-name/run'"):
        mse_rl.TrainConfig(run_dir="~nobody-of-that-name/run")


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_whatever_becomes_of_a_signal_it_ends_the_command_with_its_code(number, code, capsys):
    def library():
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ValueError("something of its own") from error

    with pytest.raises(SystemExit) as stop, ending_in_order():
        library()
    assert (stop.value.code, capsys.readouterr().err) == (code, "mse-rl: interrupted\n")


def test_a_signal_that_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with signals_do(end_at_once):
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.signal(signal.SIGHUP, before) is signal.SIG_IGN


IMPORTING = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tyro":
            os.kill(os.getpid(), signal.{name})
sys.meta_path.insert(0, Finder())
from mse_rl.cli import main
main(["train"])
"""


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_during_imports_is_one_line(number, code):
    program = IMPORTING.format(name=number.name)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "mse-rl: interrupted\n")


FREEZING = """
import os, signal, subprocess, time
from multiprocessing import get_context
from mse_rl.cli.signals import end_at_once
worker = get_context("fork").Process(target=time.sleep, args=(600,), daemon=True)
worker.start()
os.kill(worker.pid, signal.SIGSTOP)
print(worker.pid, flush=True)
end_at_once(signal.SIGINT)
"""


def test_a_frozen_worker_does_not_outlive_a_process_that_ends_at_once():
    ended = subprocess.run([sys.executable, "-c", FREEZING], stdout=subprocess.PIPE, text=True)
    assert ended.returncode == 130
    deadline = time.monotonic() + 30
    while _alive(int(ended.stdout)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _alive(int(ended.stdout))


def _alive(pid: int) -> bool:
    """Return whether a process is there, and more than an entry that nobody has asked for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
