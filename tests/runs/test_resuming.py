"""Nothing is lost: a run that is killed or interrupted goes on, and ends as if nothing had happened."""

import json
import re
import shutil
import signal

import pytest
import torch
from support.interrupting import (
    SIGNALS,
    checkpoints,
    counted,
    killed,
    left_by_training,
    lines,
    signal_at,
)

import mse_rl
from mse_rl.cli import main
from mse_rl.cli.console import TrainingBars
from mse_rl.runs.best_child import BestChild
from mse_rl.runs.checkpoints import Checkpoint, Checkpoints
from mse_rl.runs.folders import locked
from mse_rl.training import LiveChild

TRAIN = ["train", "--task", "wine", "--slices", "2", "--training-steps", "4", "--workers", "1"]
TRAIN += ["--groups", "2", "--rollouts", "4", "--episodes", "24", "--held-out", "2"]
EPISODES = 24
APPLY = ["apply", "widen", "--task", "wine", "--slices", "4", "--epochs", "8"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing has happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    main([*TRAIN, "--run-dir", str(folder)])
    return folder


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of it."""
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"


def complaint(arguments, capsys):
    """Run a command that must fail; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_run_that_is_killed_at_any_moment_ends_as_one_that_was_not(whole, tmp_path, capsys):
    """Before its first checkpoint; as it writes one; and as it compares, where the newest one is torn."""
    moments = ("mse_rl.runs.learning:line_of", 3), ("os:fsync", 12), ("mse_rl.runs.learning:figures_of", 2)
    folders = [tmp_path / str(number) for number in range(len(moments))]
    runs = [
        killed([*TRAIN, "--run-dir", str(at)], *moment) for at, moment in zip(folders, moments, strict=True)
    ]
    assert [run.wait() for run in runs] == [-signal.SIGKILL] * len(runs)
    assert [[path.name[:8] for path in checkpoints(at)] for at in folders] == [
        [],
        ["00000001"],
        ["00000002", "00000003", "00000004"],
    ]
    torn = checkpoints(folders[-1])[-1]
    torn.write_bytes(torn.read_bytes()[:-1000])
    for folder in folders:
        main(["train", "--resume", str(folder)])
        assert left_by_training(folder) == left_by_training(whole)
        assert not list(folder.rglob("*.part"))
    assert re.findall("(.*) is damaged", capsys.readouterr().out) == [str(torn)]


@pytest.mark.parametrize("part", range(8))
def test_a_checkpoint_with_a_byte_that_has_changed_is_never_taken_for_whole(tmp_path, part):
    kept, said = Checkpoints(tmp_path), []
    for number in range(5):
        learner = {"weights": torch.arange(8.0) + number}
        kept.write(Checkpoint(learner, ("digest",), {"log": number}, {"wait": {"utility": (0.5, 1)}}))
    *_, before, path = sorted(tmp_path.iterdir())
    assert [before.stem, path.stem] == ["00000004", "00000005"]
    content = path.read_bytes()
    for place in range(part, len(content), 8):
        changed = bytearray(content)
        changed[place] ^= 0x15
        path.write_bytes(changed)
        said.clear()
        found = Checkpoints(tmp_path).newest(said.append)
        assert (found.lengths, len(said)) in (({"log": 3}, 1), ({"log": 4}, 0))
        assert found.learner["weights"][0] == found.lengths["log"]


def test_a_run_whose_checkpoints_are_all_damaged_is_left_as_it_is(finished, capsys):
    (finished / "summary.json").unlink()
    for path in checkpoints(finished):
        path.write_bytes(b"")
    assert "expected a whole checkpoint" in complaint(["train", "--resume", str(finished)], capsys)
    shutil.rmtree(finished / "checkpoints")
    assert "expected checkpoints" in complaint(["train", "--resume", str(finished)], capsys)
    assert lines(finished) == EPISODES


def test_a_finished_run_says_so_and_takes_more_episodes(finished, whole, capsys):
    main(["train", "--resume", str(finished)])
    (line,) = capsys.readouterr().out.splitlines()
    assert line == f"{finished} is finished: it had {EPISODES} --episodes, which may be raised"
    result = mse_rl.resume(finished, episodes=EPISODES + 8)
    before, after = (run / "episodes.jsonl" for run in (whole, finished))
    assert after.read_bytes().startswith(before.read_bytes())
    assert lines(finished) == EPISODES + 8
    scalars = left_by_training(finished)
    assert [step for step, _ in scalars["episode/return"]] == list(range(1, EPISODES + 9))
    assert [step for step, _ in scalars["train/loss"]] == list(range(8, EPISODES + 9, 8))
    assert result.policy.training["episodes"] == EPISODES + 8
    assert len(result.summary["controllers"]["learned"]["utility"]) == 2
    assert mse_rl.resume(finished).summary == result.summary  # finished again, with the new total


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seed", "3"], "a run goes on with its own settings, got others: leave --seed out"),
        (["--max-train", "50"], "leave --max-train out"),
        (["--episodes", "8"], "--episodes may be raised from 24 on, got 8"),
    ],
)
def test_a_run_goes_on_with_its_own_settings(whole, capsys, arguments, said):
    assert said in complaint(["train", "--resume", str(whole), *arguments], capsys)


@pytest.mark.parametrize("command", ["train", "apply"])
def test_what_is_no_run_cannot_go_on(command, tmp_path, capsys):
    assert "has no config.json" in complaint([command, "--resume", str(tmp_path)], capsys)
    (tmp_path / "config.json").write_text("[" * 100_000)
    assert "expected the settings of a run" in complaint([command, "--resume", str(tmp_path)], capsys)


def test_code_that_a_strangers_run_names_is_not_imported(finished, capsys):
    config = json.loads((finished / "config.json").read_text())
    config["env"]["reward"]["reward"] = "colorsys:fly"
    (finished / "config.json").write_text(json.dumps(config))
    assert "say --trust-run" in complaint(["train", "--resume", str(finished)], capsys)
    with pytest.raises(mse_rl.MseRlError, match="reward colorsys:fly: expected fly in module colorsys"):
        mse_rl.resume(finished, trust=True)


def test_other_data_are_refused(finished, capsys):
    (finished / "summary.json").unlink()
    task = mse_rl.load_task("wine", mse_rl.TaskConfig(max_train=100))
    with pytest.raises(mse_rl.MseRlError, match="expected the data that"):
        mse_rl.resume(finished, tasks=[task])


def test_a_run_that_a_process_is_at_is_left_alone(finished, capsys):
    with locked(finished):
        assert "another process does" in complaint(["train", "--resume", str(finished)], capsys)
    empty = finished.parent / "empty"
    empty.mkdir()
    with locked(empty):
        for command in ([*TRAIN, "--run-dir", str(empty)], [*APPLY, "--out", str(empty)]):
            assert "another process does" in complaint(command, capsys)
    assert list(empty.iterdir()) == []


def test_a_run_that_is_ended_keeps_its_policy_and_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        signal_at(patched, TrainingBars, "episode", signal.SIGTERM, calls=11)
        with pytest.raises(SystemExit) as stop:
            main([*TRAIN, "--run-dir", str(folder)])
    assert stop.value.code == 143
    out, err = capsys.readouterr()
    assert err == "mse-rl: interrupted\n"
    assert f"it has ended after 10 of {EPISODES} episodes; what there is, is kept in {folder}" in out
    assert out.splitlines()[-1] == f"to go on: mse-rl train --resume {folder}"
    assert mse_rl.load_policy(folder).training["episodes"] == 8


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    """A growth that nothing has happened to."""
    folder = tmp_path_factory.mktemp("grown") / "child"
    main([*APPLY, "--out", str(folder)])
    return folder


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_growth_that_is_interrupted_goes_on_to_the_same_child(
    grown, tmp_path, capsys, monkeypatch, number, code
):
    folder = tmp_path / "child"
    with monkeypatch.context() as patched:
        signal_at(patched, BestChild, "see", number, calls=3)
        with pytest.raises(SystemExit) as stop:
            main([*APPLY, "--out", str(folder)])
    assert stop.value.code == code
    out, err = capsys.readouterr()
    assert (out.splitlines()[-1], err) == (
        f"to go on: mse-rl apply --resume {folder}",
        "mse-rl: interrupted\n",
    )
    assert not (folder / "child.safetensors").exists()
    trained = counted(monkeypatch, LiveChild, "train_")
    main(["apply", "--resume", str(folder)])
    assert len(trained) == 1
    for name in ("child.safetensors", "architecture.json", "growth.json", "config.json"):
        assert (folder / name).read_bytes() == (grown / name).read_bytes().replace(
            bytes(grown), bytes(folder)
        )
    assert {path.name for path in folder.iterdir()} == {path.name for path in grown.iterdir()}
    assert "checkpoints" not in {path.name for path in folder.iterdir()}
    capsys.readouterr()
    main(["apply", "--resume", str(folder)])
    assert capsys.readouterr().out == f"{folder} is finished\n"
