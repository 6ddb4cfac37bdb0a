"""Modules that a user might have written, in the current directory."""

import sys
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

_NUMBERS = count()


def write_module(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> str:
    """Write a module of a new name into ``folder``, which becomes the current one; return its name.

    ``sys.path`` is what it was when the test is over.
    """
    name = f"own_things_{next(_NUMBERS)}"
    (folder / f"{name}.py").write_text(dedent(text))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name
