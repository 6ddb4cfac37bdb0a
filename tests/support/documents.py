"""What README and docs hold: pages, blocks of code, commands."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
_BLOCK = re.compile(r"^(<!-- run -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Code:
    """A block of code.

    Args:
        page: where it stands.
        language: as it is marked.
        text: of it.
        runs: whether the line above says that its commands run in the tests, and are not only parsed.
    """

    page: Path
    language: str
    text: str
    runs: bool

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each ``mse-rl``, in order."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "bash" else []
        parts = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
        return [words[1:] for words in parts if words and Path(words[0]).name == "mse-rl"]


def code_of(page: Path) -> list[Code]:
    """Return the blocks of a page, in order."""
    found = _BLOCK.findall(page.read_text())
    return [Code(page, language, text, bool(runs)) for runs, language, text in found]


def examples_on(page: Path) -> set[str]:
    """Return the names of the examples that a page shows whole."""
    shown = {code.text for code in code_of(page)}
    return {example.stem for example in EXAMPLES if example.read_text() in shown}
