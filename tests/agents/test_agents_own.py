"""Controllers of a user's own."""

import numpy as np
import pytest
from support.own import write_module

import mse_rl
from mse_rl.agents.controller import run_episode
from mse_rl.agents.jobs import Job
from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.rules import make_rule
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig, InvalidController

CONTEXT = Context(0, 0, 4.0, 1.0)


class Last:
    """Takes the last action that is legal."""

    def decide(self, point):
        return np.flatnonzero(point.mask)[-1]


class Gives:
    def __init__(self, action=0):
        self.action = action

    def decide(self, point):
        return self.action


class Choosy:
    def __init__(self, size):
        self.size = size


class Empty:
    pass


def make_last():
    return Last()


LAST = Last()
NUMBER = 3


def made_of(controller, env):
    return run_episode(env, controller, CONTEXT, seeds=range(2)).actions


@pytest.mark.parametrize("name", ["Last", "make_last", "LAST"])
def test_a_controller_is_a_class_a_function_that_makes_one_or_an_object(tiny, task, name):
    env = ExpansionEnv(tiny, tasks=(task,))
    assert made_of(make_rule(f"{__name__}:{name}"), env) == made_of(LAST, env) != [0, 0]


def test_workers_play_it_by_its_path(tiny, task, monkeypatch, tmp_path):
    source = """
        import numpy as np

        class Last:
            def decide(self, turn):
                return np.flatnonzero(turn.mask)[-1]
    """
    path = f"{write_module(monkeypatch, tmp_path, source)}:Last"
    make_rule(path)  # as whoever names it does, before workers start
    env = ExpansionEnv(tiny, tasks=(task,))
    with WorkerPool(env, 1) as pool:
        (played,) = pool.play([Job(path, CONTEXT, (0, 1))])
    assert played.actions == made_of(LAST, env)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Choosy", r"called as Choosy\(\), got \(size\)"),
        ("NUMBER", r"called as NUMBER\(\), got 3"),
        ("made_of", r"called as made_of\(\), got \(controller, env\)"),
        ("Empty", r"called as Empty\.decide\(point\), got None"),
        ("missing", "no 'missing'"),
    ],
)
def test_what_is_no_controller_is_refused(name, said):
    with pytest.raises(InvalidConfig, match=said):
        make_rule(f"{__name__}:{name}")


@pytest.mark.parametrize("action", [-1, 10**9, None, 0.5, "wait"])
def test_what_is_no_action_is_refused(tiny, task, action):
    with pytest.raises(InvalidController, match="Gives to decide on an action, a whole number from 0 to "):
        made_of(Gives(action), ExpansionEnv(tiny, tasks=(task,)))


@pytest.mark.parametrize("controller", [Last, LAST, make_last, f"{__name__}:Last"], ids=repr)
def test_apply_takes_it_from_python(task, controller):
    grown = mse_rl.apply(task, controller, slices=2, training_flops=1e8)
    chosen = [entry["transformation"] for entry in grown.growth["timeline"][1:]]
    assert chosen == [
        entry["transformation"]
        for entry in mse_rl.apply(task, LAST, slices=2, training_flops=1e8).growth["timeline"][1:]
    ]
    assert set(chosen) != {"wait"}


def test_apply_says_what_a_controller_must_be(task):
    with pytest.raises(InvalidConfig, match=r"controller builtins:int to be called as int\(\), got 3"):
        mse_rl.apply(task, 3)
