"""Print the figures of the package's structure: ``python tests/support/structure.py``."""

import ast
import tomllib
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
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


def code_lines(function):
    """Return the lines of a function's body that hold code, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def spread(numbers):
    """Write the median, the 90th percentile and the largest of several numbers."""
    ordered = sorted(numbers)
    return f"median {median(ordered):g}, 90% {ordered[int(0.9 * len(ordered))]}, most {ordered[-1]}"


if __name__ == "__main__":
    files = [len(file.read_text().splitlines()) for file in MODULES.values()]
    trees = [ast.parse(file.read_text()) for file in MODULES.values()]
    functions = [
        code_lines(node)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (levels,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    edges = sum(len(imports_of(name)) for name in MODULES)
    print(f"modules            {len(MODULES)}, lines {sum(files):,}")
    print(f"lines of a file    {spread(files)}")
    print(f"lines of functions {spread(functions)} ({len(functions):,} functions)")
    print(f"contract           {len(levels)} levels")
    print(f"imports a module   {edges / len(MODULES):.2f}")
