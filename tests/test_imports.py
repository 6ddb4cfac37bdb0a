"""The house: imports run one way, packages are all shipped, files are small and have a purpose."""

import ast
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
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


def imported_packages(path):
    """Return the packages of others that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        yield from {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"mse_rl"}


def test_what_the_package_imports_is_installed_with_it():
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["ray"]]
    declared = {re.split("[<>=]", line)[0] for line in needed}
    used = {package for path in MODULES.values() for package in imported_packages(path)}
    known = packages_distributions()
    missing = {
        package
        for package in used
        if not declared & {name.lower().replace("_", "-") for name in known.get(package, [package])}
    }
    assert not missing


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
