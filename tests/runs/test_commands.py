"""The commands, as a user types them: what they leave, and what they say of a mistake."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import mse_rl
from mse_rl.cli import main
from mse_rl.config.commands import VALIDATION_FRACTION
from mse_rl.runs import folders

TINY_GROWTH = ["--slices", "2", "--epochs", "0.2"]
BLOCK = {"inner": 4, "kernel": 3, "activation": "relu", "head_width": 1, "fading": None}
TINY_SCHEDULE = ["--slices", "2", "--training-steps", "4"]
ONE_UPDATE = ["--episodes", "8", "--groups", "2", "--rollouts", "4", "--held-out", "2"]
TINY_RUN = ["--task", "digits", *TINY_SCHEDULE, *ONE_UPDATE]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny training run of both families' smallest common ground: digits."""
    folder = tmp_path_factory.mktemp("train") / "run"
    main(["train", "--workers", "2", "--run-dir", str(folder), *TINY_RUN])
    return folder


@pytest.fixture(scope="module")
def grown(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A child that the run's policy has grown."""
    folder = tmp_path_factory.mktemp("apply") / "grown"
    main(["apply", str(run), "--task", "digits", "--out", str(folder), *TINY_GROWTH])
    return folder


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_run_leaves_what_the_design_promises(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert names >= {
        "config.json",
        "command.txt",
        "versions.json",
        "episodes.jsonl",
        "tb",
        "policy",
        "summary.json",
    }
    assert {path.name for path in (run / "policy").iterdir()} == {
        "policy.safetensors",
        "policy.json",
        "README.md",
    }
    assert len((run / "episodes.jsonl").read_text().splitlines()) == 8


def test_the_summary_holds_every_controller_on_the_same_seeds(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert set(summary["controllers"]) == {
        "learned",
        "wait",
        "random",
        "threshold",
        "widen",
        "pace",
        "balance",
        "first_move",
    }
    for figures in summary["controllers"].values():
        assert set(figures) == {
            "utility",
            "validation_skill",
            "test_accuracy",
            "flops",
            "cost",
            "training_flops",
        }
        assert all(len(values) == 2 for values in figures.values())
    assert set(summary["paired"]) == {"wait", "random", "threshold", "widen", "pace", "balance", "first_move"}
    own = np.array(summary["controllers"]["learned"]["utility"])
    for name, paired in summary["paired"].items():
        difference = own - np.array(summary["controllers"][name]["utility"])
        assert paired["mean"] == pytest.approx(difference.mean())
        assert paired["low"] <= paired["mean"] <= paired["high"]


def test_tensorboard_has_every_episode_and_the_closing_entries(run: Path) -> None:
    events = EventAccumulator(str(run / "tb"))
    events.Reload()
    assert [event.step for event in events.Scalars("episode/return")] == list(range(1, 9))
    tags = set(events.Tags()["scalars"])
    assert tags >= {"episode/validation_skill", "episode/flops", "episode/training_flops", "episode/length"}
    assert tags >= {
        "reward/skill",
        "reward/cost",
        "chosen/wait",
        "legal/deepen_conv",
        "legal/link",
        "train/entropy_loss",
    }
    assert "growth/best_episode" in events.Tags()["images"]
    assert {"config/text_summary", "comparison/text_summary"} <= set(events.Tags()["tensors"])


def episodes(run: Path) -> list[dict]:
    """Return what is known of the episodes of a run."""
    return [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]


def test_the_same_seed_gives_the_same_run_whatever_the_number_of_workers(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    main(["train", "--workers", "1", "--run-dir", str(again), *TINY_RUN])
    assert (again / "episodes.jsonl").read_bytes() == (run / "episodes.jsonl").read_bytes()
    assert (again / "summary.json").read_text() == (run / "summary.json").read_text()
    first = load_file(run / "policy" / "policy.safetensors")
    second = load_file(again / "policy" / "policy.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_grown_child_comes_back_bit_for_bit(grown: Path) -> None:
    child = mse_rl.load_child(grown)
    growth = json.loads((grown / "growth.json").read_text())
    task = mse_rl.load_task("digits", mse_rl.TaskConfig(validation_fraction=VALIDATION_FRACTION))
    with torch.inference_mode():
        right = (child(task.test.x).argmax(dim=1) == task.test.y).double().mean().item()
    assert right == pytest.approx(growth["test_accuracy"])
    assert len(growth["timeline"]) == 3
    assert (grown / "report.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((grown / "architecture.json").read_text())["family"] == "cnn"


def test_apply_goes_on_from_a_child_grown_before(
    grown: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "more"
    own = ["--task", "digits", "--no-refit", *TINY_GROWTH]
    main(["apply", "wait", "--init", str(grown), "--out", str(out), *own])
    assert "learnt the validation samples" in capsys.readouterr().out
    main(["apply", "wait", "--init", str(out), "--out", str(tmp_path / "again"), *own])
    assert "learnt the validation samples" in capsys.readouterr().out  # it is not forgotten
    main(["apply", "wait", "--out", str(tmp_path / "new"), *own])
    main(["apply", "wait", "--init", str(tmp_path / "new"), "--out", str(tmp_path / "newer"), *own])
    assert "learnt the validation samples" not in capsys.readouterr().out
    before, after = (json.loads((folder / "growth.json").read_text()) for folder in (out, tmp_path / "again"))
    assert after["timeline"][0]["skill"] == pytest.approx(before["timeline"][-1]["skill"])


def test_each_decision_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(
        [
            "apply",
            "threshold",
            "--task",
            "digits",
            "--family",
            "mlp",
            "--out",
            str(tmp_path / "o"),
            *TINY_GROWTH,
        ]
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("slice")]
    assert len(lines) == 2
    assert all("deepen" in line and "MFLOPs" in line for line in lines)
    assert ["skill" in line for line in lines] == [True, False]
    assert "trained on all samples" in lines[-1]


def test_two_tasks_share_a_run_whatever_their_inputs_are(tmp_path: Path) -> None:
    """Images are learned by a cnn, vectors by an mlp."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 6)).astype(np.float32), np.arange(300) % 3
    np.savez(tmp_path / "d.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    task = f"npz:{tmp_path / 'd.npz'}"
    wide = [*TINY_SCHEDULE, "--groups", "6", "--rollouts", "2", "--episodes", "12", "--held-out", "2"]
    main(["train", "--task", "digits", task, "--workers", "1", "--run-dir", str(tmp_path / "r"), *wide])
    told = [(line["task"], name) for line in episodes(tmp_path / "r") for name, _ in line["decisions"]]
    assert {played for played, _ in told} == {"digits", task}
    kinds = {"digits": ("deepen_conv", "deepen_separable"), task: ("deepen_linear",)}
    assert all(name in kinds[played] for played, name in told if name.startswith("deepen"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--task", "digts"], "did you mean 'digits'"),
        (["train", "--family", "cn"], "did you mean 'cnn'"),
        (["train", "--family", "cnn"], "teacher: a cnn child reads image or sequence or tokens inputs"),
        (["train", "--reward", "mnass"], "did you mean 'mnas'"),
        (["train", "--flops-budget", "10"], "the FLOPs budget must be at least"),
        (["train", "--params-budget", "10"], "the parameter budget must be at least"),
        (["train", "--params-budget", "0"], "params-budget must lie between 1 and"),
        (["train", "--cost", "latency", "--latency-budget-ms", "1e-6"], "raise --latency-budget-ms"),
        (["train", "--latency-budget-ms", "-1"], "latency-budget-ms must be positive"),
        (["train", "--cost", "flop"], "did you mean 'flops'"),
        (["train", "--latency-device", "cuda:99"], "try cpu as --latency-device"),
        (["apply", "wait", "--task", "digits", "--cost", "energy"], "unknown cost 'energy'"),
        (["apply", "wait", "--task", "digits", "--latency-device", "gpu"], "try cpu as --latency-device"),
        (["train", "--batch-size", "2000"], "lower --batch-size"),
        (["train", "--slices", "0"], "slices must lie between 1 and"),
        (["train", "--rollouts", "1"], "rollouts must lie between 2 and"),
        (["train", "--seed", "4294967296"], "seed must lie between 0 and"),
        (["train", "--policy-learning-rate", "-1"], "policy-learning-rate must lie between 0 and 1"),
        (["train", "--cost-weight", "nan"], "--cost-weight and --training-weight must be numbers"),
        (["train", "--device", "cuda:99"], "try cpu as --device"),
        (["train", "--device", "meta"], "try cpu as --device"),
        (["apply", "wait", "--task", "digits", "--epochs", "inf"], "epochs must lie between"),
        (["apply", "wait", "--task", "digits", "--batch-size", "0"], "batch-size must lie between"),
        (["apply", "wait", "--task", "digits", "--max-stages", "1"], "raise --max-stages"),
        (["apply", "wait", "--task", "digits", "--family", "mlp", "--max-blocks", "0"], "raise --max-blocks"),
        (["apply", "wait", "--task", "digits", "--start-width", "2000"], "raise --max-width"),
        (["apply", "wait", "--task", "digits", "--memory-budget", "5"], "raise --memory-budget"),
        (["apply", "wait", "--task", "digits", "--out", __file__ + "/sub"], "name another one"),
        (["apply", "threshhold", "--task", "digits"], "did you mean 'threshold'"),
        (["apply", "wait", "--task", "digits", "--flops-budget", "10"], "raise --flops-budget"),
        (["apply", "wait", "--task", "digits", "--init", "nowhere"], "no architecture.json"),
        (["apply", "wait", "--task", "npz:nowhere.npz"], "nowhere.npz"),
        (["apply", "wait", "--task", "wine", "--family", "cnn"], "use --family mlp"),
        (["train", "--training-flops", "1e9", "--training-steps", "9"], "got both: leave one out"),
        (["train", "--training-flops", "1000"], "raise --training-flops (or --minutes of apply), or lower"),
        (["train", "--training-flops", "nan"], "training-flops must lie between 1 and"),
        (["train", "--training-steps", "3"], "raise --training-steps, or with apply"),
        (["train", "--passes-low", "9", "--passes-high", "2"], "0 < --passes-low <= --passes-high"),
        (["train", "--width-low", "0"], "0 < --width-low <= --width-high"),
        (["train", "--decision-share", "0"], "decision-share must be above 0"),
        (["train", "--label-smoothing", "1"], "label-smoothing must be at least 0 and below 1"),
        (
            ["apply", "wait", "--task", "digits", "--training-flops", "1e6"],
            "raise --training-flops (or --minutes of apply), or lower",
        ),
        (
            ["apply", "wait", "--task", "digits", "--training-flops", "1e9", "--epochs", "2"],
            "got --training-flops and --epochs: leave all but one out",
        ),
        (
            ["apply", "wait", "--task", "digits", "--minutes", "1", "--epochs", "2"],
            "got --minutes and --epochs: leave all but one out",
        ),
        (["apply", "wait", "--task", "digits", "--minutes", "0"], "minutes must lie between"),
        (["apply", "--task", "digits", "--threads", "0"], "threads must lie between 1 and"),
        (
            ["apply", "wait", "--task", "digits", "--epochs", "0.1", "--slices", "5"],
            "raise --epochs or lower --slices",
        ),
        (["apply", "static", "--task", "digits"], "name one as --architecture"),
        (["apply", "pace:2", "--task", "digits"], "a share of the budget above 0 and at most 1"),
        (["apply", "wait:3", "--task", "digits"], "rule wait does not take '3'"),
        (["apply", "wait", "--task", "digits", "--architecture", "nowhere"], "no architecture.json"),
        (["apply", "wait", "--task", "digits", "--architecture", "a", "--init", "b"], "got both"),
        (
            ["apply", "wait", "--task", "digits", "--transformations", "deepn_conv"],
            "did you mean 'deepen_conv'",
        ),
        (["apply", "wait", "--task", "digits", "--skill-tolerance", "2"], "skill-tolerance must lie between"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in complaint(arguments, capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_exists_is_kept(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in run.iterdir())
    assert "exists already" in complaint(["train", "--run-dir", str(run), *TINY_RUN], capsys)
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize("flag", ["--run-dir", "--cache-dir"])
def test_a_name_that_is_too_long_for_a_folder_is_one_line(
    flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "too long" in complaint(["train", flag, "x" * 300, *TINY_RUN], capsys)
    assert list(tmp_path.iterdir()) == []


def test_training_a_policy_takes_no_time_limit(capsys: pytest.CaptureFixture[str]) -> None:
    line = complaint(["train", "--time-limit-seconds", "9", *TINY_RUN], capsys)
    assert "leave --time-limit-seconds out" in line


def test_a_folder_of_trajectories_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folders = ["--run-dir", str(tmp_path / "run"), "--cache-dir", str(tmp_path / "file" / "cache")]
    assert "expected a folder to write" in complaint(["train", *folders, *TINY_RUN], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("family", "cn", "did you mean 'cnn'"),
        ("input_shape", [8], "use `family` mlp"),
        ("input_shape", [], "input shape"),
        ("classes", "ten", "whole number"),
        (
            "stages",
            [{"width": 10**9, "stride": 1, "activation": "silu", "blocks": [{"kind": "conv", **BLOCK}]}],
            "between 1 and",
        ),
        (
            "stages",
            [{"width": 4, "stride": 1, "activation": "silu", "blocks": [{"kind": "con", **BLOCK}]}],
            "'conv'",
        ),
        (
            "stages",
            [
                {
                    "width": 4,
                    "stride": 1,
                    "activation": "silu",
                    "blocks": [{"kind": "conv", **BLOCK, "activation": "rel"}],
                }
            ],
            "'relu'",
        ),
        (
            "stages",
            [
                {
                    "width": 4,
                    "stride": 1,
                    "activation": "silu",
                    "blocks": [{"kind": "conv", **BLOCK, "kernel": 2}],
                }
            ],
            "odd",
        ),
        ("stages", [{"width": 4, "stride": 0, "activation": "silu", "blocks": []}], "between 1 and"),
        ("format", 2, "format 3 or 4"),
    ],
    ids=str,
)
def test_an_architecture_that_no_child_has_is_refused(
    grown: Path, tmp_path: Path, field: str, value: object, said: str
) -> None:
    data = json.loads((grown / "architecture.json").read_text())
    del data["sha256"]
    (tmp_path / "architecture.json").write_text(json.dumps(data | {field: value}))
    (tmp_path / "child.safetensors").write_bytes((grown / "child.safetensors").read_bytes())
    with pytest.raises(mse_rl.MseRlError, match=said):
        mse_rl.load_child(tmp_path)


def test_an_architecture_in_bytes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "architecture.json").write_bytes(b"\x80\x04\xff")
    with pytest.raises(mse_rl.MseRlError, match="expected an architecture in JSON"):
        mse_rl.load_child(tmp_path)


def test_a_child_that_diverges_is_not_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["apply", "wait", "--task", "digits", "--learning-rate", "1e30", "--out", str(out)]
    assert "lower --learning-rate" in complaint([*arguments, *TINY_GROWTH], capsys)
    assert not out.exists()


def test_a_time_limit_ends_after_the_slice_in_which_it_runs_out(tmp_path: Path) -> None:
    out = tmp_path / "out"
    limit = ["--time-limit-seconds", "0.000001"]
    main(["apply", "wait", "--task", "digits", "--out", str(out), *TINY_GROWTH, *limit])
    assert len(json.loads((out / "growth.json").read_text())["timeline"]) == 2


def test_apply_takes_schedule_and_reward_from_the_policy(run: Path, tmp_path: Path) -> None:
    assert mse_rl.load_policy(run).family is None  # the one for what the inputs are
    main(["apply", str(run), "--task", "digits", "--epochs", "0.2", "--out", str(tmp_path / "o")])
    assert len(json.loads((tmp_path / "o" / "growth.json").read_text())["timeline"]) == 3


def first_line(arguments: list[str], out: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the first line of what a growth says."""
    main(["apply", "wait", "--task", "digits", "--out", str(out), "--slices", "2", *arguments])
    return capsys.readouterr().out.splitlines()[0]


def test_apply_says_first_how_much_it_trains_and_how_long_that_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = first_line(["--training-flops", "3e9"], tmp_path / "o", capsys)
    found = re.fullmatch(
        r"3e\+09 training FLOPs: (\S+) passes of the first child over the data, "
        r"about (\S+) s on this machine",
        said,
    )
    assert found, said
    last = json.loads((tmp_path / "o" / "growth.json").read_text())["timeline"][-1]
    assert last["training_flops"] == pytest.approx(3e9, rel=0.02)
    samples = len(
        mse_rl.load_task("digits", mse_rl.TaskConfig(validation_fraction=VALIDATION_FRACTION)).train
    )
    assert float(found[1]) == pytest.approx(3e9 / (3 * last["flops"] * samples), rel=0.01)
    assert float(found[2]) > 0


def test_nothing_but_the_task_has_to_be_said(tmp_path: Path) -> None:
    out = tmp_path / "o"
    main(["apply", "--task", "wine", "--training-flops", "1e8", "--slices", "3", "--out", str(out)])
    config = json.loads((out / "config.json").read_text())
    assert (config["controller"], config["threads"]) == ("balance", 1)
    samples = len(mse_rl.load_task("wine", mse_rl.TaskConfig(validation_fraction=VALIDATION_FRACTION)).train)
    assert config["batch_size"] == 16 < samples < 512
    growth = json.loads((out / "growth.json").read_text())
    assert 1 <= growth["kept_slice"] <= 3


def test_a_handful_of_samples_is_enough(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32), np.arange(9) % 3
    np.savez(tmp_path / "few.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    main(["apply", "--task", f"npz:{tmp_path / 'few.npz'}", "--out", str(tmp_path / "o")])
    assert len(json.loads((tmp_path / "o" / "growth.json").read_text())["timeline"]) == 11


@pytest.mark.parametrize(("controller", "told"), [("widen", True), ("wait", False)])
def test_a_budget_that_left_no_room_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], controller: str, told: bool
) -> None:
    flops = _first_flops(tmp_path / "first")
    arguments = ["apply", controller, "--task", "wine", "--training-flops", "1e8", "--slices", "3"]
    main([*arguments, "--flops-budget", str(int(2.2 * flops)), "--out", str(tmp_path / "o")])
    said = capsys.readouterr().out
    assert ("left no room to grow: --flops-budget raises it" in said) == told


def _first_flops(out: Path) -> int:
    main(["apply", "wait", "--task", "wine", "--training-flops", "1e8", "--slices", "3", "--out", str(out)])
    flops: int = json.loads((out / "growth.json").read_text())["timeline"][0]["flops"]
    return flops


def test_minutes_are_turned_into_training_flops_that_can_be_typed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mse_rl.runs.growing.training_speed", lambda *_: 1e9)  # FLOPs a second
    said = first_line(["--minutes", "0.01"], tmp_path / "o", capsys)
    value, unit = said.split("about ")[1].split()[:2]
    assert float(value) == 0.6
    assert unit == "s"
    typed = said.split()[0]
    config = json.loads((tmp_path / "o" / "config.json").read_text())
    assert config["training_flops"] == float(typed)
    assert config["minutes"] is None


def test_without_a_length_it_trains_for_100_passes_of_a_small_child(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ["--start-width", "2", "--max-train", "100"]
    said = first_line(small, tmp_path / "o", capsys)
    assert 95 < float(said.split()[3]) < 105  # FLOPs are rounded to two digits
    epochs = first_line([*small, "--epochs", "2"], tmp_path / "epochs", capsys)
    assert "FLOPs:" not in epochs  # passes over the data are what was asked for
    assert json.loads((tmp_path / "epochs" / "config.json").read_text())["epochs"] == 2


def test_an_architecture_that_was_grown_before_is_trained_anew(grown: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "o", tmp_path / "again"
    for folder, given in ((out, grown), (again, grown / "architecture.json")):
        main(["apply", "static", "--architecture", str(given), "--task", "digits", "--out", str(folder),
              "--seed", "1", *TINY_GROWTH])  # fmt: skip
    timeline = json.loads((out / "growth.json").read_text())["timeline"]
    assert {entry.get("transformation", "wait") for entry in timeline} == {"wait"}
    assert json.loads((out / "architecture.json").read_text()) == json.loads(
        (grown / "architecture.json").read_text()
    )
    donor, new = mse_rl.load_child(grown).state_dict(), mse_rl.load_child(out).state_dict()
    assert not torch.equal(donor["head.linear.weight"], new["head.linear.weight"])
    assert (again / "child.safetensors").read_bytes() == (out / "child.safetensors").read_bytes()


def test_names_with_brackets_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a [b] [/c]"
    main(["apply", "wait", "--task", "digits", "--out", str(out), *TINY_GROWTH])
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"no tensors", b"\x80\x04."])
def test_a_child_that_is_no_child_is_refused(grown: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "architecture.json").write_text((grown / "architecture.json").read_text())
    (tmp_path / "child.safetensors").write_bytes(content)
    with pytest.raises(mse_rl.MseRlError, match="safetensors"):
        mse_rl.load_child(tmp_path)


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom mse_rl.cli import main\n"
        "try: main(['train', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit('torch' in sys.modules or 'gymnasium' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "installed_version", {"mse-rl": "1.2.3"}.get)
    main(["--version"])
    assert capsys.readouterr().out == "mse-rl 1.2.3\n"
    monkeypatch.setattr(folders, "installed_version", {}.get)
    main(["--version"])
    assert capsys.readouterr().out == "mse-rl (not installed)\n"
