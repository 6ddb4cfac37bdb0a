"""What a user brings along, as it is typed: found in the current directory, and told of where it is wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.own import write_module
from support.schedules import ONE_UPDATE

import mse_rl
from mse_rl.cli import main
from mse_rl.errors import InvalidController

OWN = """
    import numpy as np
    from mse_rl import Task
    from mse_rl.costs import cost

    def halves(config):
        x = np.random.default_rng(0).normal(size=(80, 3))
        return Task.from_arrays(x, np.where(x[:, 0] > 0, "right", "left"), config=config)

    def skill_alone(worth, config):
        later = {"nothing": 0.0} if worth.training_share else {}
        return {"own_skill": worth.skill} | later

    def kilobytes(architecture, meter):
        return 4e-3 * cost(architecture).parameters

    class Last:
        def decide(self, turn):
            return np.flatnonzero(turn.mask)[-1]
"""
GROWTH = ["--slices", "2", "--epochs", "1"]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The name of a module in the current directory."""
    return write_module(monkeypatch, tmp_path, OWN)


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that must fail; return its one line."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_a_policy_is_trained_on_own_task_reward_and_cost_and_applied_where_it_is_trusted(
    own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = ["--task", f"{own}:halves", "--reward", f"{own}:skill_alone", "--cost", f"{own}:kilobytes"]
    length = ["--slices", "2", "--training-steps", "4", "--batch-size", "16", *ONE_UPDATE]
    main(["train", *named, *length, "--run-dir", "run"])
    assert "kilobytes" in capsys.readouterr().out
    config = json.loads(Path("run/config.json").read_text())["env"]
    assert config["reward"]["reward"] == f"{own}:skill_alone"
    for line in map(json.loads, Path("run/episodes.jsonl").read_text().splitlines()):
        assert line["utility"] == line["skill"]
        assert line["cost"] == pytest.approx(4e-3 * line["params"])
        assert line["task"] == f"{own}:halves"
    apply = ["apply", "run", "--task", f"{own}:halves", "--out", "grown", *GROWTH]
    line = complaint(apply, capsys)
    assert f"{own}:kilobytes and {own}:skill_alone, which would be imported" in line
    assert "--trust-policy" in line
    main([*apply, "--trust-policy"])
    last = json.loads(Path("grown/growth.json").read_text())["timeline"][-1]
    assert last["terms"] == {"own_skill": last["skill"], "nothing": 0.0}
    assert last["own_budget"] == last["cost_budget"]


def test_a_policy_makes_no_module_run_unless_it_is_trusted(own: str) -> None:
    policy = json.loads((Path(__file__).parents[2] / "mse_rl/policies/small/policy.json").read_text())
    policy["training"]["config"]["env"]["reward"]["reward"] = f"{own}:no_matter_what"
    Path("policy").mkdir()
    Path("policy/policy.json").write_text(json.dumps(policy))
    with pytest.raises(InvalidController, match="trust=True"):
        mse_rl.load_policy("policy")
    assert own not in sys.modules


def test_a_network_is_grown_and_asked_by_a_controller_on_a_task_of_ones_own(
    own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["apply", f"{own}:Last", "--task", f"{own}:halves", "--out", "grown", *GROWTH])
    record = json.loads(Path("grown/growth.json").read_text())
    assert {entry["transformation"] for entry in record["timeline"][1:]} != {"wait"}
    capsys.readouterr()
    predict = ["predict", "grown", "--task", f"{own}:halves"]
    main([*predict, "--out", "said.csv"])
    assert f"accuracy {100 * record['test_accuracy']:.2f}%, " in capsys.readouterr().out
    rows = [line.split(",") for line in Path("said.csv").read_text().split()]
    assert len(rows) == 1 + 16
    assert {label for *_, label in rows[1:]} == {"left", "right"}
    main([*predict, "--split", "train"])
    assert "of 64 samples" in capsys.readouterr().out
    assert "encoded as the child's were" in complaint([*predict, "--split-seed", "1"], capsys)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--reward", "no_such_module:thing"], "reward no_such_module:thing: module no_such_module"),
        (["train", "--reward", "{own}:missing"], "has no 'missing'"),
        (["train", "--cost", "{own}:missing"], "has no 'missing'"),
        (["train", "--task", "{own}:missing"], "has no 'missing'"),
        (
            ["train", "--task", "{own}:kilobytes"],
            "called as kilobytes(config), got (architecture, meter)",
        ),
        (["apply", "{own}:missing", "--task", "wine"], "has no 'missing'"),
        (
            ["apply", "{own}:kilobytes", "--task", "wine"],
            "called as kilobytes(), got (architecture, meter)",
        ),
        (["apply", "--cost", "{own}:missing", "--task", "wine"], "has no 'missing'"),
        (["apply", "--task", "{own}:Last"], "to be called as Last(config), got ()"),
        (["apply", "elsewhere", "--task", "wine"], "or the folder of a run or policy, or my_package.module"),
    ],
)
def test_what_is_none_is_said_in_one_line(
    own: str, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert said in complaint([argument.format(own=own) for argument in arguments], capsys)
    assert not Path("runs").exists()


def test_the_console_script_finds_what_is_in_the_current_directory(own: str, tmp_path: Path) -> None:
    script = "import sys; sys.path.remove(''); from mse_rl.cli import main; main()"
    root = str(Path(mse_rl.__file__).parents[1])
    ended = subprocess.run(
        [sys.executable, "-c", script, "apply", f"{own}:Last", "--task", "wine", "--out", "grown", *GROWTH],
        cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "own_things" in Path("grown/config.json").read_text()
