"""Policies outlive the vocabulary: what was trained before acts as it did, and what does not fit says so."""

import json
from dataclasses import replace
from pathlib import Path
from shutil import copytree
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.schedules import even

import mse_rl
from mse_rl.agents.controller import DecisionPoint, run_episode
from mse_rl.agents.learned import Learned
from mse_rl.cli import main
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidController
from mse_rl.runs.growing import load_controller
from mse_rl.runs.policy import SHIPPED
from mse_rl.transformations import TRANSFORMATIONS
from mse_rl.transformations.widths import WidenInner

GOLDEN = Path(__file__).parent / "golden"
ROWS = 8
CONTEXT = Context(task=0, seed=1, budget_multiple=16.0, passes=4.0)


def actions_of(layout: Layout) -> list[tuple[str, tuple[int, ...]]]:
    """Return what each action of a table of ``ROWS`` rows stands for: an operation, and rows."""
    return [
        *((name, ()) for name in layout.child_operations),
        *((name, (row,)) for row in range(ROWS) for name in layout.block_operations),
        *((name, pair) for pair in ActionTable(ROWS).pairs for name in layout.pair_operations),
    ]


def shown_today(point: dict, layout: Layout) -> dict[str, np.ndarray]:
    """Return a recorded observation as it is today; what it did not have then is 7."""
    today = Layout.of(ActionTable(ROWS))

    def filled(values: list[float], names: tuple[str, ...], wanted: tuple[str, ...]) -> list[float]:
        known = dict(zip(names, values, strict=True))
        return [known.get(name, 7.0) for name in wanted]

    blocks = np.zeros((ROWS, len(today.blocks)), np.float32)
    for row, values in enumerate(point["blocks"]):
        blocks[row] = filled(values, layout.blocks, today.blocks)
    globals_ = np.array(filled(point["globals"], layout.globals, today.globals), np.float32)
    return {"globals": globals_, "blocks": blocks.reshape(-1)}


def inputs_of(controller: Learned) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return a list that all that the network is given will be added to."""
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    controller.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    return seen


def test_a_policy_of_an_older_layout_decides_as_it_did():
    """The policy and its decisions were written by the version before layouts could differ, with
    remove_block, log_compute and links_out taken out of it; there was no size yet.
    """
    controller = Learned(mse_rl.load_policy(GOLDEN / "before_remove_block").network)
    then, today = controller.network.layout, Layout.of(ActionTable(ROWS))
    assert today.operations - then.operations == {"remove_block"}
    assert {*today.globals} - {*then.globals} == {"log_compute", "size"}
    assert {*today.blocks} - {*then.blocks} == {"links_out"}
    meanings, actions, seen = actions_of(then), actions_of(today), inputs_of(controller)
    for point in json.loads((GOLDEN / "before_remove_block.json").read_text()):
        legal = {meanings[action] for action in point["legal"]}
        mask = np.array([meaning in legal or meaning[0] == "remove_block" for meaning in actions])
        shown = SimpleNamespace(layout=today)
        decided = controller.decide(
            DecisionPoint(shown_today(point, then), mask, shown, np.random.default_rng(0))
        )
        assert actions[decided] == meanings[point["best"]]
        (globals_, blocks), rows = seen.pop(), len(point["blocks"])
        assert globals_.tolist() == [point["globals"]]
        assert blocks.reshape(ROWS, -1)[:rows].tolist() == point["blocks"]
        assert not blocks.reshape(ROWS, -1)[rows:].any()


@pytest.fixture
def config(tiny):
    return replace(tiny, growth=replace(tiny.growth, **even(4, 20)))


def played(config, task, policy="small"):
    return run_episode(
        ExpansionEnv(config, tasks=(task,)),
        Learned(mse_rl.load_policy(policy).network),
        CONTEXT,
        seeds=range(4),
    )


def test_a_new_transformation_changes_nothing_for_the_policy_that_comes_along(config, task, monkeypatch):
    before = played(config, task)
    monkeypatch.setitem(TRANSFORMATIONS, "widen_inner_x3", WidenInner(3))
    after = played(config, task)
    assert after.path == before.path
    assert after.rewards == before.rewards
    assert {name for name, _ in before.path} != {"wait"}
    table = ExpansionEnv(config, tasks=(task,)).actions
    assert table.legal_anywhere(np.array(after.masks))["widen_inner_x3"].any()


def test_nor_for_the_child_that_it_grows(monkeypatch):
    def grow():
        return mse_rl.apply("digits", "small", slices=3, epochs=1.0, seed=2)

    before = grow()
    monkeypatch.setitem(TRANSFORMATIONS, "widen_inner_x3", WidenInner(3))
    after = grow()
    assert after.growth == before.growth
    for name, weight in before.child.state_dict().items():
        assert torch.equal(weight, after.child.state_dict()[name])


def test_features_that_are_gone_are_shown_as_zero(config, task, tmp_path):
    former = edited(tmp_path, lambda data: data["layout"]["globals"].__setitem__(0, "once_was"))
    env, controller = ExpansionEnv(config, tasks=(task,)), Learned(mse_rl.load_policy(former).network)
    observation, _ = env.reset(options={"context": CONTEXT})
    seen = inputs_of(controller)
    controller.decide(DecisionPoint(observation, env.action_masks(), env, np.random.default_rng(0)))
    expected = observation["globals"].copy()
    assert expected[0] == 1
    expected[0] = 0
    assert seen[0][0].tolist() == [expected.tolist()]
    assert seen[0][1].tolist() == [observation["blocks"].tolist()]


def test_operations_that_are_gone_are_not_played_and_said(tmp_path, task, config):
    def rename(data):
        names = data["layout"]["block_operations"]
        names[names.index("deepen_separable")] = "deepen_once"

    former = edited(tmp_path, rename)
    episode = played(config, task, former)
    assert not any(info["illegal"] for info in episode.infos)
    assert "deepen_separable" not in {name for name, _ in episode.path}
    assert "deepen_separable" in {name for name, _ in played(config, task).path}
    lines: list[str] = []
    mse_rl.apply("digits", str(former), slices=2, epochs=0.5, tell=lines.append)
    assert lines[0] == f"policy {former} knows deepen_once, which is not here: it goes without"


def test_what_is_asked_for_and_not_known_to_the_policy_is_said(monkeypatch):
    monkeypatch.setitem(TRANSFORMATIONS, "widen_inner_x3", WidenInner(3))
    lines: list[str] = []
    names = ("widen_inner_x3", "widen_child_x2")
    mse_rl.apply("digits", "small", slices=2, epochs=0.5, transformations=names, tell=lines.append)
    assert lines[0] == "policy small does not know widen_inner_x3: it goes without"


def edited(folder: Path, edit) -> Path:
    """Return a copy of the policy that comes along, with another policy.json."""
    bundle = copytree(SHIPPED["small"], folder / "bundle")
    data = json.loads((bundle / "policy.json").read_text())
    del data["sha256"]
    edit(data)
    (bundle / "policy.json").write_text(json.dumps(data))
    return bundle


def test_a_policy_of_a_later_version_is_told_from_one_of_an_earlier_one(tmp_path, capsys):
    later = edited(tmp_path / "later", lambda data: data.update(format=5))
    with pytest.raises(SystemExit) as stop:
        main(["apply", str(later), "--task", "digits"])
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.endswith("of a later version: expected a policy of format 4, got 5; update mse-rl")
    earlier = edited(tmp_path / "earlier", lambda data: data.update(format=1))
    with pytest.raises(
        InvalidController, match="of an earlier version: expected a policy of format 4, got 1"
    ):
        mse_rl.load_policy(earlier)


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.update(format="2"),
        lambda data: data.update(format=None),
        lambda data: data.pop("layout"),
        lambda data: data.update(layout=[]),
        lambda data: data["layout"].pop("blocks"),
        lambda data: data["layout"].update(globals="skill"),
        lambda data: data["layout"].update(globals=[1, 2]),
        lambda data: data["layout"].update(more=["a"]),
        lambda data: data["layout"]["pair_operations"].append("link"),
        lambda data: data["layout"]["child_operations"].remove("wait"),
        lambda data: data["layout"]["blocks"].reverse(),
        lambda data: data["layout"]["block_operations"].append("one_more"),  # than there are weights
        lambda data: data["layout"]["globals"].pop(),
        lambda data: data.update(trained_on=["digits"]),
    ],
)
def test_a_policy_file_that_cannot_be_is_refused(tmp_path, edit):
    with pytest.raises(InvalidController, match="expected"):
        mse_rl.load_policy(edited(tmp_path, edit))


def test_weights_of_another_size_are_refused(tmp_path):
    bundle = edited(tmp_path, lambda data: None)
    tensors = load_file(bundle / "policy.safetensors")
    tensors["join.0.weight"] = torch.zeros(1, 3)
    save_file(tensors, bundle / "policy.safetensors")
    with pytest.raises(InvalidController, match=r"join\.0\.weight"):
        mse_rl.load_policy(bundle)


def test_the_policy_that_comes_along_has_a_name_and_was_paid_by_flops():
    policy = mse_rl.load_policy("small")
    assert policy.cost == "flops"
    assert policy.reward == mse_rl.RewardConfig()
    assert load_controller("small")[1].experience == policy.experience
    with pytest.raises(InvalidController, match=r"did you mean 'small'.* small, "):
        load_controller("smal")


def test_a_policy_says_what_it_was_not_trained_on(tmp_path):
    lines: list[str] = []
    settings = {"slices": 2, "epochs": 0.5, "tell": lines.append}
    mse_rl.apply("digits", "small", **settings)
    mse_rl.apply("wine", "small", **settings)
    assert not any("was trained on" in line for line in lines)
    mse_rl.apply("digits", "small", family="rnn", **settings)
    (line,) = [line for line in lines if "was trained on" in line]
    assert line == (
        "policy small was trained on images and tables, read by cnn and mlp children; "
        "images, read by rnn children, are new to it: expect less"
    )
    silent = edited(tmp_path, lambda data: data.pop("trained_on"))
    assert mse_rl.load_policy(silent).experience is None
