"""Tasks of a user's own."""

import numpy as np
import pytest
import torch

import mse_rl
from mse_rl.config.training import ExpansionConfig, TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.errors import InvalidConfig, InvalidTask


def halves(config):
    x = np.random.default_rng(0).normal(size=(80, 3))
    return Task.from_arrays(x, (x[:, 0] > 0).astype(int), config=config)


TASK = halves(TaskConfig(max_train=20))


def not_a_task(config):
    return config


@pytest.mark.parametrize("name", ["halves", "TASK"])
def test_a_task_is_an_object_or_what_a_function_of_the_config_makes(name):
    config = TaskConfig(max_train=20)
    path = f"{__name__}:{name}"
    task = load_task(path, config)
    assert task.name == path
    assert torch.equal(task.train.x, halves(config).train.x)


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (
            "not_a_task",
            InvalidTask,
            "a function of a TaskConfig that returns one, got TaskConfig",
        ),
        ("np", InvalidConfig, r"to be called as np\(config\), got <module 'numpy'"),
        ("missing", InvalidConfig, "no 'missing'"),
    ],
)
def test_what_is_no_task_is_refused(name, error, said):
    with pytest.raises(error, match=said):
        load_task(f"{__name__}:{name}", TaskConfig())


def test_sources_go_before_modules_of_the_same_name():
    with pytest.raises(InvalidTask, match="halves"):
        load_task("csv:halves", TaskConfig())
    with pytest.raises(InvalidTask, match="expected a task like 'digits'"):
        load_task("digits:halves", TaskConfig())


def test_an_unknown_name_says_that_a_path_would_do():
    with pytest.raises(InvalidTask, match=r"or my_package\.module:thing"):
        load_task("halves", TaskConfig())


def test_settings_keep_a_function_by_its_path():
    assert ExpansionConfig(task=(halves, "digits")).task == (f"{__name__}:halves", "digits")
    with pytest.raises(InvalidConfig, match="expected a task that can be named"):
        ExpansionConfig(task=(TASK,))


def test_apply_takes_a_function_and_hands_it_the_config():
    config = TaskConfig(max_train=20)
    by_path = mse_rl.apply(f"{__name__}:halves", "wait", training_flops=1e8, data=config)
    by_function = mse_rl.apply(halves, "wait", training_flops=1e8, data=config)
    assert by_function.growth == by_path.growth
    assert by_path.growth != mse_rl.apply(halves, "wait", training_flops=1e8).growth
    assert by_path.growth["task"] == f"{__name__}:halves"
