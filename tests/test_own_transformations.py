"""Transformations of a user's own, by where they are imported from: used, or refused in one line."""

import json
from pathlib import Path

import pytest
from support import extras
from support.schedules import ONE_UPDATE

import mse_rl
from mse_rl.cli import main
from mse_rl.envs.actions import ActionTable
from mse_rl.transformations import TRANSFORMATIONS, operations, transformation

RUN = ["--task", "wine", "--slices", "3", "--training-steps", "9", "--batch-size", "16", *ONE_UPDATE]
OWN = "support.extras:wider"


def test_a_transformation_goes_by_its_path_and_leaves_the_object_as_it_was():
    assert transformation(OWN).name == OWN
    assert transformation(OWN).factor == 3
    assert extras.wider.name == "widen_stream_x3"
    assert transformation("support.extras:Wider").factor == 5


def test_a_table_of_actions_has_all_that_is_registered_and_then_what_is_named():
    assert operations() == operations(("wait", "link")) == tuple(TRANSFORMATIONS)
    assert operations((OWN, "wait", OWN)) == (*TRANSFORMATIONS, OWN)
    assert ActionTable(4, operations((OWN,))).block_operations == (*ActionTable(4).block_operations, OWN)


def test_settings_take_the_objects_themselves():
    assert mse_rl.GrowthConfig(transformations=("wait", extras.Wider)).transformations == (
        "wait",
        "support.extras:Wider",
    )


def test_a_run_learns_with_it_in_worker_processes_and_its_policy_keeps_it(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    main(["train", "--run-dir", str(run), *RUN, "--seed", "1", "--transformations", "widen_stream_x2", OWN])
    lines = [json.loads(line) for line in (run / "episodes.jsonl").read_text().splitlines()]
    chosen = {name for line in lines for name, _ in line["decisions"]}
    assert OWN in chosen <= {"wait", "widen_stream_x2", OWN}
    saved = json.loads((run / "policy" / "policy.json").read_text())
    assert saved["layout"]["block_operations"][-1] == OWN
    assert saved["trained_on"] == {"inputs": ["vector"], "families": ["mlp"]}
    again = ["apply", str(run), "--task", "wine", "--out", str(out), "--slices", "3", "--epochs", "1"]
    main([*again, "--trust-policy"])
    assert json.loads((out / "config.json").read_text())["transformations"] == ["widen_stream_x2", OWN]


@pytest.mark.parametrize("command", [["train"], ["apply", "random"], ["apply", "small"]])
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "nowhere:thing",
            "transformation nowhere:thing: module nowhere cannot be imported (ModuleNotFoundError",
        ),
        (
            "support.extras:unlike",
            "at support.extras:unlike, got a str: derive it from",
        ),
        ("mse_rl.transformations.blocks:Deepen", "name an instance of it"),
        ("widen_steam_x2", "did you mean 'widen_stream_x2'"),
    ],
)
def test_a_name_without_a_transformation_is_one_line(command, name, said, tmp_path, capsys):
    folder = ["--run-dir" if command == ["train"] else "--out", str(tmp_path / "new")]
    with pytest.raises(SystemExit) as stop:
        main([*command, "--task", "wine", *folder, "--transformations", "wait", name])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (extras.Scopeless, "to have a scope, child, block, pair, got 'foo'"),
        (extras.Aimless, "expected targets of .* to return several, got None"),
        (extras.Astray, "expected a Position as the target of what is aimed at the block, got None"),
        (extras.Thoughtless, "expected edit of .* to return an Architecture, got None"),
    ],
)
def test_a_transformation_that_breaks_its_contract_is_refused(own, said):
    with pytest.raises(mse_rl.MseRlError, match=said):
        mse_rl.apply("wine", "random", transformations=(own,), training_flops=1e9, slices=4)
