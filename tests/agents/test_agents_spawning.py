"""What is said where workers cannot start, or cannot get what they need: one line, before they start."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mse_rl.agents.pool import WorkerPool
from mse_rl.agents.spawning import require_spawnable
from mse_rl.config.commands import TrainConfig
from mse_rl.config.training import ExpansionConfig, GrowthConfig, TaskConfig
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import InvalidConfig

HEAD = """
from pathlib import Path
from mse_rl import ExpansionConfig, GrowthConfig, PPOConfig, RewardConfig, TrainConfig
from mse_rl.errors import MseRlError
from mse_rl import train

def skill_alone(worth, config):
    return {"skill": worth.skill}

def run(reward="potential"):
    env = ExpansionConfig(task=("wine",), growth=GrowthConfig(slices=2, training_steps=4),
                          reward=RewardConfig(reward=reward))
    config = TrainConfig(env=env, ppo=PPOConfig(groups=2, rollouts=4), episodes=8, workers=1, held_out=2,
                         run_dir=Path("run"))
    try:
        train(config)
    except MseRlError as error:
        raise SystemExit(f"{type(error).__name__}: {error}")
"""


def python(folder: Path, text: str, *, as_script: bool) -> subprocess.CompletedProcess[str]:
    """Run a program in ``folder``: from a file, or as a session would, where ``__main__`` has no file."""
    script, program = folder / "script.py", dedent(HEAD) + dedent(text)
    script.write_text(program)
    arguments = [str(script)] if as_script else ["-c", program]
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize("call", ["run()", "class A:\n    run()"])
def test_a_script_without_its_main_guard_is_told_so_in_one_line(tmp_path: Path, call: str) -> None:
    ended = python(tmp_path, f"{call}\n", as_script=True)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("InvalidConfig: workers import script.py, and would run its line ")
    assert line.endswith('put what it does under if __name__ == "__main__":')
    assert not (tmp_path / "run").exists()


def test_a_script_that_only_seems_guarded_is_told_so_when_its_workers_end(tmp_path: Path) -> None:
    ended = python(tmp_path, 'if __name__ == "__main__":\n    pass\nrun()\n', as_script=True)
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("WorkerLost: no worker has come through its start: they import the script")
    assert 'if __name__ == "__main__":' in line


def test_workers_find_what_a_guarded_script_defines(tmp_path: Path) -> None:
    ended = python(
        tmp_path,
        """
        REWARD = RewardConfig(skill_alone)  # workers come by here, too
        if __name__ == "__main__":
            run(REWARD.reward)
        """,
        as_script=True,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (tmp_path / "run" / "summary.json").is_file()


def test_what_a_session_defines_cannot_be_sent_and_what_it_does_not_can(tmp_path: Path) -> None:
    ended = python(tmp_path, "run(skill_alone)", as_script=False)
    (line,) = ended.stderr.splitlines()
    assert line.startswith("InvalidConfig: workers cannot import __main__:skill_alone, defined in a notebook")
    assert not (tmp_path / "run").exists()
    ended = python(tmp_path, "run('mnas')", as_script=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_program_from_standard_input_is_asked_for_a_file(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable], input=f"{HEAD}\nrun()\n", cwd=tmp_path, capture_output=True, text=True
    )
    (line,) = ended.stderr.splitlines()
    assert line.startswith("InvalidConfig: workers cannot import ")
    assert line.endswith("put what is run into a file")


class Unsendable:
    """A meter that holds what pickle does not take."""

    def __init__(self) -> None:
        self.clock = lambda: 0.0


def test_a_meter_that_cannot_be_sent_is_refused_before_workers_start(tiny: ExpansionConfig, task) -> None:
    with pytest.raises(InvalidConfig, match=r"a meter that can be sent to workers, got: .*lambda"):
        WorkerPool(ExpansionEnv(tiny, tasks=(task,), meter=Unsendable()), 1)


def test_what_the_package_brings_along_can_be_sent() -> None:
    config = TrainConfig(env=ExpansionConfig(growth=GrowthConfig(), data=TaskConfig()))
    require_spawnable(config.env, ExpansionEnv(config.env).meter)
