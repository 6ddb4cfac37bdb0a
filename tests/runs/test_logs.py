"""The files that a run adds to, and what is in them of each episode."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mse_rl.agents.controller import run_episode
from mse_rl.agents.rules import make_rule
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidRun
from mse_rl.runs.logs import EventFile, Log, scalars, scalars_of
from mse_rl.transformations import TRANSFORMATIONS


def read(folder):
    """Return steps and values by tag, as TensorBoard reads them."""
    events = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_a_log_goes_on_where_a_checkpoint_was(tmp_path):
    def written(begins, length, steps):
        with Log(tmp_path / "events.out.tfevents", length) as log:
            events = EventFile(log, begins=begins)
            for step in steps:
                events.add(scalars({"a": step, "b": -step}), step)
            return log.kept_length()

    length = written(True, 0, [1, 2])
    written(False, length, [3, 4])
    written(False, length, [3, 4, 5])
    assert read(tmp_path)["b"] == [(step, -step) for step in range(1, 6)]
    with pytest.raises(InvalidRun, match="as the run has left it, of 1,000,000 bytes"):
        Log(tmp_path / "events.out.tfevents", 1_000_000)


def test_tensorboard_shows_every_episode_from_the_first_one_on(tiny, task, tmp_path):
    env, context = ExpansionEnv(tiny, tasks=(task,)), Context(0, 5, 4.0, 1.0)
    played = [run_episode(env, make_rule(rule), context, seeds=range(20)) for rule in ("random", "widen")]
    with Log(tmp_path / "events.out.tfevents", 0) as log:
        events = EventFile(log, begins=True)
        for number, one in enumerate(played, start=1):
            events.add(scalars(scalars_of(one, env.actions)), number)
    written = read(tmp_path)
    assert all([step for step, _ in values] == [1, 2] for values in written.values())
    for index, one in enumerate(played):
        found = {name: values[index][1] for name, values in written.items()}
        assert sum(share for name, share in found.items() if name.startswith("chosen/")) == pytest.approx(1)
        assert all(found[f"chosen/{n}"] <= found[f"legal/{n}"] <= 1 for n in TRANSFORMATIONS)
        rewards = sum(part for name, part in found.items() if name.startswith("reward/"))
        assert rewards == pytest.approx(found["episode/return"], abs=1e-6)
        assert found["episode/return"] == pytest.approx(one.total_return, abs=1e-6)
        assert found["episode/cost_share_of_budget"] <= 1
