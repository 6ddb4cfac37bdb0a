"""The house: imports run one way, packages are all shipped, files are small and have a purpose."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {"mse_rl": ROOT / "mse_rl", "mse_rl.envs": ROOT / "envs", "mse_rl.agents": ROOT / "agents"}


def modules():
    """Return {dotted name: file} of all that is shipped; links are not followed."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in sorted(folder.rglob("*.py")):
            inside = file.relative_to(folder)
            if package == "mse_rl" and inside.parts[0] in ("envs", "agents"):
                continue
            found[".".join([package, *inside.with_suffix("").parts]).removesuffix(".__init__")] = file
    return found


MODULES = modules()


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


def imports_of(name):
    """Return the modules of the package that one imports, wherever in it, but not for type checkers alone."""
    tree = ast.parse(MODULES[name].read_text())
    for_types = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            parts = {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= parts or {node.module} & MODULES.keys()
    return found - {name}


def test_modules_import_each_other_in_no_circle():
    order = TopologicalSorter({name: imports_of(name) for name in MODULES})
    order.prepare()  # raises CycleError, which names the circle
    assert order.is_active()
