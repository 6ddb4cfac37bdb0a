"""The house: imports run one way, packages are all shipped, files are small and have a purpose."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from support.structure import FOLDERS, MODULES, ROOT, imports_of


def test_imports_run_one_way():
    """The rule itself stands in pyproject.toml; import-linter holds the code against it.

    In a process of its own, for it silences all loggers of the one that it runs in.
    """
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(cache_dir=None))"
    held = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert held.returncode == 0, held.stdout + held.stderr


def test_every_package_on_disk_is_shipped():
    with (ROOT / "pyproject.toml").open("rb") as file:
        setuptools = tomllib.load(file)["tool"]["setuptools"]
    packages = {name for name, file in MODULES.items() if file.name == "__init__.py"}
    folders = {name if f.name == "__init__.py" else name.rpartition(".")[0] for name, f in MODULES.items()}
    assert set(setuptools["packages"]) == packages == folders
    for name, path in setuptools["package-dir"].items():
        assert (ROOT / path).resolve() == FOLDERS[name].resolve()
    for link in ("envs", "agents"):
        assert (ROOT / "mse_rl" / link).readlink() == Path("..") / link


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_small_says_what_it_is_for_and_is_named_after_it(name):
    text = MODULES[name].read_text()
    assert len(text.splitlines()) <= 350
    assert ast.get_docstring(ast.parse(text))
    assert not {"utils", "helpers", "common"} & set(name.split("."))


def test_modules_import_each_other_in_no_circle():
    order = TopologicalSorter({name: imports_of(name) for name in MODULES})
    order.prepare()  # raises CycleError, which names the circle
    assert order.is_active()
