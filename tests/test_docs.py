"""README and docs are true: their programs run, their commands exist, their links lead somewhere."""

import re
import sys
from types import ModuleType

import pytest
from support.documents import EXAMPLES, PAGES, ROOT, Code, code_of

from mse_rl.cli import main
from mse_rl.config.commands import ApplyConfig, TrainConfig

WHOLE = {example.read_text() for example in EXAMPLES}
"""Programs that test_examples runs."""
SETTINGS = {TrainConfig: TrainConfig(), ApplyConfig: ApplyConfig(task="digits")}
"""Of the runs that pages go on with."""
RUNNING = [
    page
    for page in PAGES
    if any(code.runs or (code.language == "python" and code.text not in WHOLE) for code in code_of(page))
]


def complain(code: Code, error: BaseException) -> str:
    return f"{code.page.name}: {error!r} in\n{code.text}"


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: page.stem)
def test_the_blocks_of_a_page_run_in_their_order(page, tmp_path, monkeypatch):
    """Python in one namespace, and the commands that are marked to run, in a folder of their own."""
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys, "path", [*sys.path, str(ROOT)])
    monkeypatch.chdir(tmp_path)
    for code in code_of(page):
        try:
            if code.language == "python" and code.text not in WHOLE:
                exec(compile(code.text, str(page), "exec"), module.__dict__)
            for command in code.commands if code.runs else ():
                main(command)
        except (Exception, SystemExit) as error:
            pytest.fail(complain(code, error))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_a_page_is_one_that_the_command_line_takes(page, monkeypatch):
    """Its names and values are, that is: nothing is loaded, and nothing runs."""
    parsed = []
    monkeypatch.setattr("mse_rl.cli.arguments._run", parsed.append)
    monkeypatch.setattr("mse_rl.runs.folders.load_config", lambda folder, kind, trust: SETTINGS[kind])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(ROOT)
    commands = [(code, command) for code in code_of(page) for command in code.commands]
    for code, command in commands:
        try:
            main(command)
        except SystemExit as error:
            pytest.fail(complain(code, error))
    assert len(parsed) == len(commands)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_files_that_a_page_names_are_there(page):
    text = page.read_text()
    for script in re.findall(r"\b(?:scripts|examples)/[\w/]+\.py", text):
        assert (ROOT / script).is_file(), script
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_every_public_name_is_in_the_reference():
    import mse_rl

    named = set(re.findall(r"^::: mse_rl\.(\w+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE))
    assert named == set(mse_rl.__all__)


def test_the_site_has_every_page():
    nav = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(nav) == sorted(page.name for page in PAGES if page.parent.name == "docs")
