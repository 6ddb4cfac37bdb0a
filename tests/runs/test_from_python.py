"""Training, comparing and using policies from Python."""

import json

import numpy as np
import pytest

import mse_rl
from mse_rl import Context, DecisionPoint, ExpansionConfig, ExpansionEnv, GrowthConfig, PPOConfig, TrainConfig
from mse_rl.agents.rules import Rule

TINY = ExpansionConfig(task=("wine",), growth=GrowthConfig(slices=3, training_steps=9, batch_size=16))


class Stubborn:
    """Takes the last legal action, always."""

    def decide(self, point):
        return int(np.flatnonzero(point.mask)[-1])


def wine(name="my wine"):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    return mse_rl.Task.from_arrays(rng.normal(size=(120, 4)) + y[:, None], y, name=name)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """Return a training run on a task of the user's own, what was told, and its episodes."""
    folder = tmp_path_factory.mktemp("train") / "run"
    config = TrainConfig(
        env=TINY, ppo=PPOConfig(groups=2, rollouts=4), episodes=8, workers=1, held_out=2, run_dir=folder
    )
    told, episodes = [], []
    done = mse_rl.train(config, tasks=[wine()], tell=told.append, on_episode=episodes.append)
    return done, told, episodes


def test_training_returns_policy_comparison_and_folder(result):
    done, told, episodes = result
    assert len(episodes) == 8
    assert {episode.final["task"] for episode in episodes} == {"my wine"}
    assert str(done.folder) in told[0]
    assert json.loads((done.folder / "summary.json").read_text()) == done.summary
    assert done.table in done.policy.card
    assert json.loads((done.folder / "config.json").read_text())["env"]["task"] == ["my wine"]


def test_an_interrupted_run_leaves_the_policy_of_its_last_update(tmp_path):
    config = TrainConfig(
        env=TINY, ppo=PPOConfig(groups=2, rollouts=4), episodes=24, workers=1, run_dir=tmp_path / "run"
    )
    seen = []

    def interrupt(episode):
        seen.append(episode)
        if len(seen) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mse_rl.train(config, tasks=[wine()], on_episode=interrupt)
    policy = mse_rl.Policy.load(tmp_path / "run")
    assert policy.training["episodes"] == 16
    assert "16 episodes" in policy.card
    grown = mse_rl.apply(wine(), str(tmp_path / "run"), epochs=1.0)
    assert grown.classes_.tolist() == [0, 1, 2]
    assert not [*(tmp_path / "run").rglob("*.part")]


def test_training_gives_torch_its_threads_back(result):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        mse_rl.compare({"wait": "wait"}, [wine()], seeds=[0], config=TINY, workers=1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_policy_that_is_saved_again_is_the_same(result, tmp_path):
    policy = result[0].policy
    policy.save(tmp_path / "copy")
    for name in ("policy.safetensors", "policy.json", "README.md"):
        assert (tmp_path / "copy" / name).read_bytes() == (result[0].folder / "policy" / name).read_bytes()
    again = mse_rl.Policy.load(tmp_path / "copy")
    assert (again.slices, again.cost, again.family) == (policy.slices, policy.cost, policy.family)
    with pytest.raises(mse_rl.MseRlError, match="expected a new folder"):
        policy.save(tmp_path / "copy")


def point_of(env):
    observation, _ = env.reset(options={"context": Context(0, 1, 4.0, 2.0)})
    return DecisionPoint(observation, env.action_masks(), env, np.random.default_rng(0))


def test_a_policy_decides_what_is_legal(result):
    env = ExpansionEnv(TINY, tasks=(wine(),))
    point = point_of(env)
    action = result[0].policy.decide(point)
    assert point.mask[action]
    assert action == mse_rl.Policy.load(result[0].folder).decide(point)


@pytest.mark.parametrize("name", ["small", None])
def test_attributions_add_up_to_what_the_features_change(result, name):
    """Completeness: the sum is f(x) - f(0), to the error of 64 points."""
    import torch

    from mse_rl.agents.learned import known_features

    policy = mse_rl.Policy.load(name) if name else result[0].policy
    env = ExpansionEnv(TINY, tasks=(wine(),))
    point = point_of(env)
    found = policy.attributions(point)
    network, layout = policy.network, policy.network.layout
    assert list(found) == [*layout.globals, *(f"blocks.{feature}" for feature in layout.blocks[1:])]
    globals_, blocks = known_features(point.observation, env.layout, layout)
    action, legal = policy.decide(point), torch.from_numpy(point.mask)

    def margin(share):
        rows = np.concatenate([blocks[:, :1], share * blocks[:, 1:]], axis=1).reshape(1, -1)
        with torch.no_grad():
            standardised = network.standardised(torch.from_numpy(globals_))
            logits = network.logits(float(share) * standardised, torch.from_numpy(rows))[0]
            if share == 1:  # it is the first decision
                logits = network(torch.from_numpy(globals_), torch.from_numpy(rows))[0]
        return float(logits[action] - logits[legal].mean())

    change = margin(np.float32(1)) - margin(np.float32(0))
    assert sum(found.values()) == pytest.approx(change, abs=0.02 * max(1.0, abs(change)))


def test_controllers_of_all_kinds_are_compared_on_the_same_episodes(result):
    controllers = {
        "mine": Stubborn(),
        "policy": result[0].policy,
        "folder": str(result[0].folder),
        "wait": "wait",
    }
    tasks = [wine(), wine("other"), "wine"]
    comparison = mse_rl.compare(controllers, tasks, seeds=[3, 5], config=TINY, workers=1)
    assert list(comparison.episodes) == list(controllers)
    contexts = [[e.context for e in played] for played in comparison.episodes.values()]
    assert contexts == [contexts[0]] * 4
    assert [(c.task, c.seed) for c in contexts[0]] == [(t, s) for t in range(3) for s in (3, 5)]
    assert [e.actions for e in comparison.episodes["policy"]] == [
        e.actions for e in comparison.episodes["folder"]
    ]
    assert comparison.difference("policy", "folder") == {"mean": 0.0, "low": 0.0, "high": 0.0}
    mine, wait = ([e.test_accuracy for e in comparison.episodes[name]] for name in ("mine", "wait"))
    difference = comparison.difference("mine", "wait", "test_accuracy")
    assert difference["mean"] == pytest.approx(np.mean(mine) - np.mean(wait))
    assert "mine minus this" in comparison.table
    with pytest.raises(mse_rl.MseRlError, match="got 'nobody'"):
        comparison.difference("mine", "nobody")
    with pytest.raises(mse_rl.MseRlError, match="unknown figure 'speed'"):
        comparison.difference("mine", "wait", "speed")


@pytest.mark.parametrize(
    ("controllers", "tasks", "seeds", "said"),
    [
        ({}, ["wine"], [0], "at least one controller"),
        ({"a": "wait"}, [], [0], "at least one controller, one task"),
        ({"a": "wait"}, ["wine"], [], "one seed"),
        ({"a": "wiat"}, ["wine"], [0], "did you mean 'wait'"),
        ({"a": "wait"}, ["whine"], [0], "did you mean 'wine'"),
    ],
)
def test_a_comparison_of_nothing_is_refused(controllers, tasks, seeds, said):
    with pytest.raises(mse_rl.MseRlError, match=said):
        mse_rl.compare(controllers, tasks, seeds=seeds, config=TINY, workers=1)


def not_importable():
    class Local:
        def decide(self, point):
            return 0

    return Local()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"controllers": ["wait"]}, "expected controllers as a dict"),
        ({"controllers": {1: "wait"}}, "expected controllers as a dict"),
        ({"controllers": {"a": None}}, "to be called as"),
        ({"controllers": {"a": "static"}}, "static trains an architecture"),
        ({"controllers": {"a": not_importable()}}, "at the top of a module"),
        ({"tasks": "wine"}, "expected a list of tasks, got 'wine'"),
        ({"tasks": [3]}, "expected tasks or their names, got 3"),
        ({"seeds": 3}, "expected several seeds, got 3"),
        ({"seeds": [0.5]}, "whole numbers from 0"),
        ({"seeds": [-1]}, "whole numbers from 0"),
        ({"workers": 0}, "`workers` must be a number from 1, ray or ray:8, got .0."),
        ({"workers": "gpu:2"}, "got .gpu:2."),
        ({"config": TrainConfig()}, "expected an ExpansionConfig"),
    ],
    ids=str,
)
def test_what_cannot_be_compared_is_refused_in_one_line(changes, said):
    settings = {"controllers": {"a": "wait"}, "tasks": ["wine"], "seeds": [0], "config": TINY, "workers": 1}
    settings |= changes
    with pytest.raises(mse_rl.MseRlError, match=said) as refused:
        mse_rl.compare(settings.pop("controllers"), settings.pop("tasks"), **settings)
    assert "\n" not in str(refused.value)


def test_classes_paths_and_arrays_of_seeds_are_compared(result):
    controllers = {"class": Stubborn, "path": result[0].folder}
    comparison = mse_rl.compare(controllers, [wine()], seeds=np.arange(2), config=TINY, workers=1)
    assert [len(played) for played in comparison.episodes.values()] == [2, 2]


def test_a_policy_and_its_path_are_applied_alike(result):
    grown = [
        mse_rl.apply(wine(), controller, epochs=1.0).growth["timeline"]
        for controller in (result[0].policy, result[0].folder, str(result[0].folder))
    ]
    assert grown[0] == grown[1] == grown[2]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (
            lambda data: data["training"]["config"]["env"]["growth"].update(slices=1.5),
            "a whole number, got 1.5",
        ),
        (lambda data: data["training"]["config"]["env"]["growth"].update(slices=0), "slices from 1 on"),
        (lambda data: data["training"]["config"]["env"]["growth"].update(slices=10**9), "at most 10,000"),
        (lambda data: data["training"]["config"]["env"]["growth"].update(slices=float("inf")), "got inf"),
        (lambda data: data["layout"]["globals"].__setitem__(0, "time_lef"), "as it was written"),
        (lambda data: data["training"]["config"]["env"]["growth"].update(transformations="x"), "got 'x'"),
        (lambda data: data["training"]["config"]["env"]["growth"].update(transformations=[3]), "got"),
        (lambda data: data["training"]["config"]["env"]["budget"].update(cost=3), "a string, got 3"),
        (lambda data: data.update(format=True), "expected format"),
    ],
)
def test_a_policy_whose_record_is_wrong_is_refused(result, tmp_path, edit, said):
    result[0].policy.save(tmp_path / "policy")
    data = json.loads((tmp_path / "policy" / "policy.json").read_text())
    edit(data)
    (tmp_path / "policy" / "policy.json").write_text(json.dumps(data))
    with pytest.raises(mse_rl.MseRlError, match=said):
        mse_rl.Policy.load(tmp_path / "policy")


def test_a_policy_of_a_deep_file_or_of_weights_that_are_no_numbers_is_refused(result, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    result[0].policy.save(tmp_path / "policy")
    weights = tmp_path / "policy" / "policy.safetensors"
    tensors = load_file(weights)
    save_file({name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}, weights)
    with pytest.raises(mse_rl.MseRlError, match="expected finite weights"):
        mse_rl.Policy.load(tmp_path / "policy")
    (tmp_path / "policy" / "policy.json").write_text("[" * 100_000)
    with pytest.raises(mse_rl.MseRlError, match="expected a policy in"):
        mse_rl.Policy.load(tmp_path / "policy")


def test_a_folder_that_is_called_like_a_shipped_policy_is_asked_about(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert mse_rl.Policy.load("small").slices == 10
    result[0].policy.save("small")
    with pytest.raises(mse_rl.MseRlError, match=r"write \./small for the folder"):
        mse_rl.Policy.load("small")
    assert mse_rl.Policy.load("./small").slices == 3


class Babbling(Rule):
    def choose(self, process, rng):
        return "widen"


@pytest.mark.parametrize(
    ("controller", "said"), [(Babbling, "to choose one of"), (Rule, "make a controller|to choose")]
)
def test_a_rule_that_chooses_nonsense_is_refused(controller, said):
    with pytest.raises(mse_rl.MseRlError, match=said):
        mse_rl.apply(wine(), controller, epochs=1.0)


def test_few_epochs_have_fewer_decisions():
    grown = mse_rl.apply(wine(), "wait", epochs=1.0)
    assert len(grown.growth["timeline"]) == 1 + 5  # as many slices as training steps
    with pytest.raises(mse_rl.MseRlError, match="6 training steps, one for each slice, got 5"):
        mse_rl.apply(wine(), "wait", epochs=1.0, slices=6)
