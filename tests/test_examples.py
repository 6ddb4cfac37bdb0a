"""The examples run as they are, and the documentation shows them as they are."""

import re
import runpy
import subprocess
import sys

import pytest
from support.documents import EXAMPLES, PAGES, ROOT, examples_on

SHOWN = {
    "own_array": "[ True  True  True]",
    "own_controller": "widen_child_x1.25",
    "own_cost": "of 200,000 bytes",
    "own_family": "deepen_gated",
    "own_reward": "learned minus",
    "own_task": "[0 1]",
    "own_transformation": "WidenStage",
    "predict_raw": "'colour': 'red', 'grams': '148'} apple",
    "read_a_run": "learned minus wait",
}
"""A part of what each prints."""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(example):
    assert len(example.read_text().splitlines()) <= 40


@pytest.mark.parametrize(
    "example", [e for e in EXAMPLES if e.stem != "own_family"], ids=lambda path: path.stem
)
def test_an_example_runs_as_a_script(example, tmp_path, monkeypatch, capfd):
    """In this process: to import torch takes longer than most of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(example)])
    runpy.run_path(str(example), run_name="__main__")
    shown = capfd.readouterr()
    assert shown.err == ""
    assert SHOWN[example.stem] in shown.out


def test_a_family_of_ones_own_has_its_transformations_keeps_the_function_and_costs_what_it_says():
    """In a process of its own, whose registries it changes."""
    script = """
import runpy
runpy.run_path("examples/own_family.py", run_name="__main__")

import mse_rl
from mse_rl.costs import cost

names = ("deepen_gated", "widen_inner_x2", "widen_stream_x1.5", "widen_child_x1.25", "activation_relu")
grown = mse_rl.apply("wine", "random", family="glu", training_flops=1e8, transformations=names, seed=1)
timeline = grown.growth["timeline"][1:]
assert {"deepen_gated", "widen_inner_x2", "widen_stream_x1.5"} <= {e["transformation"] for e in timeline}
assert max(e["receipt"]["output_change"] for e in timeline) < 1e-4
assert cost(grown.architecture).parameters == sum(p.numel() for p in grown.child.parameters())
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert SHOWN["own_family"] in ended.stdout


def test_the_documentation_shows_every_example():
    shown = set().union(*map(examples_on, PAGES))
    assert shown == {example.stem for example in EXAMPLES}


def test_the_seven_paths_are_as_long_as_their_table_says_and_stand_where_it_says():
    rows = re.findall(
        r"^\| .* \| \[.*\]\((\w+)\.md.*\) \| `examples/(\w+)\.py` \| (\d+) \| (\d+) \|$",
        (ROOT / "docs" / "index.md").read_text(),
        re.MULTILINE,
    )
    assert len(rows) == 7
    for page, name, lines, touched in rows:
        program = (ROOT / "examples" / f"{name}.py").read_text()
        assert int(lines) == len(program.splitlines()), name
        assert name in examples_on(ROOT / "docs" / f"{page}.md")
        assert int(touched) == 0  # it runs above, on a package that nobody has edited
