"""The examples run as they are, and the documentation shows them as they are."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SHOWN = {
    "own_controller": "widen_child_x1.25",
    "own_cost": "of 200,000 bytes",
    "own_reward": "learned minus",
    "own_task": "[0 1]",
}
"""A part of what each prints."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_is_short(example, tmp_path):
    ended = subprocess.run([sys.executable, str(example)], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert SHOWN[example.stem] in ended.stdout
    assert len(example.read_text().splitlines()) <= 40


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_documentation_shows_it(example):
    assert f"```python\n{example.read_text()}```\n" in (ROOT / "docs" / "extending.md").read_text()
