"""A CSV file as a table of text: its letters, its separators, its header."""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO, TextIOWrapper
from itertools import dropwhile, islice, pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

import numpy as np

from mse_rl.data.cells import plain_number
from mse_rl.data.files import MOST_DATA_BYTES
from mse_rl.data.raw import Array, listed
from mse_rl.data.split import Rows
from mse_rl.errors import InvalidTask, counted
from mse_rl.files import FileKind

SEPARATORS = ("\t", "|", ";", ",")
"""From the one that is least likely within a cell."""
_NONE = "\x1f"
"""Separates nothing, in a file of one column."""
MOST_LETTERS = 10_000_000
"""Letters of one cell."""
HEAD = 2**20
"""Letters at the start of a file by which its separator is found."""
_FILE = FileKind("a CSV file", InvalidTask, MOST_DATA_BYTES, advice="mend it")
MOST_COLUMNS = 100_000
"""More are hardly a table, and take a network of hundreds of megabytes."""
LABEL_NAMES = ("label", "target", "class", "y", "labels")
"""What a column of labels is called, in lower case."""
_ROWS = 20
_HEADED = 1_000
"""Rows that tell whether there is a header."""


@contextmanager
def long_cells() -> Iterator[None]:
    """Allow cells of ``MOST_LETTERS``: Python's csv module has one bound for all readers, 131,072."""
    before = csv.field_size_limit(MOST_LETTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def find_separator(head: str) -> str:
    """Return what splits the first rows of a file, below as few titles as can be, into most fields, the same
    number in each.

    If nothing does, spaces may, or it is what splits the header.
    """
    splits = {separator: _split(head, separator) for separator in SEPARATORS}
    best = max(SEPARATORS, key=splits.__getitem__)
    return " " if splits[best][2] < 2 and _split(head, " ")[0] else best


def fitted(row: list[str], width: int) -> list[str]:
    """Return a row without the blank cells that trailing separators make, behind ``width`` others."""
    end = len(row)
    while end > width and not row[end - 1].strip():
        end -= 1
    return row[:end]


def is_blank(row: list[str]) -> bool:
    """Return whether there is nothing in a row, but for separators."""
    return not any(cell.strip() for cell in row)


def _split(head: str, separator: str) -> tuple[bool, int, int]:
    """Return whether the first rows have one number of fields, two or more; minus the number of titles above
    them; and the number of fields in their first.
    """
    reader = csv.reader(StringIO(head, newline=""), delimiter=separator, skipinitialspace=separator == " ")
    try:
        rows = list(islice((row for row in reader if not is_blank(row)), _ROWS))
    except csv.Error:
        return False, 0, 0
    if len(head) == HEAD and len(rows) > 1:
        rows.pop()  # it may be cut
    table = _below_titles(rows)
    header = len(fitted(table[0], 0)) if table else 0
    same = header > 1 and all(len(fitted(row, header)) == header for row in table if not _is_comment(row))
    return same, len(table) - len(rows), header


def _below_titles(rows: list[list[str]]) -> list[list[str]]:
    """Return the rows below those that hold one cell (titles, ``sep=;``) and comments of another width."""
    width = len(rows[-1]) if rows else 0
    return list(
        dropwhile(lambda row: len(fitted(row, 0)) < 2 or (_is_comment(row) and len(row) != width), rows)
    )


def _is_comment(row: list[str]) -> bool:
    return row[0].startswith("#")


class _Line(NamedTuple):
    """A row that is not blank, and where it ends in the file, counted from 1."""

    cells: list[str]
    number: int


@dataclass(frozen=True)
class Table:
    """The rows of a CSV file.

    Args:
        path: where they were read.
        names: of the columns.
        cells: strings (n, columns), without white space around them.
        lines: where each row ends in the file, counted from 1 (n,).
        notes: what the user should be told about how the file was read, one line each.
    """

    path: Path
    names: tuple[str, ...]
    cells: Array
    lines: Array
    notes: tuple[str, ...] = ()

    def columns(self, names: Iterable[str]) -> Array:
        """Return the cells (n, k) of k columns."""
        return self.cells[:, [self._places[name] for name in names]]

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        cells: list[str] = self.cells[:, self._places[name]].tolist()
        return cells

    def records(self) -> list[dict[str, str]]:
        """Return the rows by the names of their columns."""
        return [dict(zip(self.names, row, strict=True)) for row in self.cells]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def take(self, rows: Rows) -> "Table":
        """Return some of the rows."""
        return replace(self, cells=self.cells[rows], lines=self.lines[rows])

    def place(self, row: int) -> str:
        """Return where a row stands: ``line 7 of train.csv``."""
        return f"line {self.lines[row]} of {self.path.name}"


def read_table(path: Path, label: str | None = None, columns: Sequence[str] = ()) -> Table:
    """Read a CSV file: names of the columns, and rows.

    It is in UTF-8, in UTF-16 or UTF-32 with its mark, or else in Windows' Western encoding. Fields are
    separated by commas, semicolons, tabs or bars, whichever fits. Titles, comments (``#``), blank rows, and
    blank cells behind the last column are left out. Columns are numbered if the first row is none of names.

    Args:
        path: of the file.
        label: name of a column, which tells that the first row is one of names.
        columns: names of others that tell it; if there is one alone, the file may have no more.

    Raises:
        InvalidTask: the file is missing, no such file, has no rows or too many columns, or its rows do not
            fit its header.
    """
    with _FILE.open(path) as content:
        encoding, lines = _decoded(path, content, columns)
    table = _table(path, lines, label, columns)
    if encoding == _ENCODINGS[-1]:
        note = f"{path.name} is not in UTF-8: its letters are read as Windows' ({encoding})"
        return replace(table, notes=(note, *table.notes))
    return table


_ENCODINGS = ("utf-8-sig", "cp1252")
_SINGLE_QUOTES = re.compile(r"\s*'[^'\n]*'(?:[,;|\t]\s?'[^'\n]*')+\r?\n")
"""A first row whose names are all in single quotes."""
_WIDE = {
    BOM_UTF32_LE: "utf-32",
    BOM_UTF32_BE: "utf-32",
    BOM_UTF16_LE: "utf-16",
    BOM_UTF16_BE: "utf-16",
}
"""By the mark at the start of a file; that of UTF-32 begins with the one of UTF-16."""


def _decoded(path: Path, content: BinaryIO, columns: Sequence[str]) -> tuple[str, list[_Line]]:
    """Return the encoding that a file is in, and its rows."""
    head = content.read(HEAD)
    wide = next((encoding for mark, encoding in _WIDE.items() if head.startswith(mark)), None)
    if b"\0" in head and not wide:
        raise InvalidTask(f"expected a CSV file, got binary data: save {path} as CSV")
    for encoding in (wide,) if wide else _ENCODINGS:
        content.seek(0)
        text = TextIOWrapper(content, encoding=encoding, newline="")
        try:
            return encoding, _lines(path, text, columns)
        except UnicodeError:
            continue
        finally:
            text.detach()
    raise InvalidTask(f"expected a CSV file in UTF-8, got other bytes: save {path} so")


def _lines(path: Path, file: TextIO, columns: Sequence[str]) -> list[_Line]:
    errors = []
    with long_cells():
        head = file.read(HEAD)
        separator = _NONE if _is_single(head, columns) else find_separator(head)
        for escape in (None, "\\"):  # quotes within quotes are doubled, or else escaped
            file.seek(0)
            reader = csv.reader(
                file,
                delimiter=separator,
                quotechar="'" if _SINGLE_QUOTES.match(head) else '"',
                escapechar=escape,
                skipinitialspace=separator == " ",
                strict=True,
            )
            try:
                return [
                    _Line([cell.strip() for cell in _bounded(path, row)], reader.line_num)
                    for row in reader
                    if not is_blank(row)
                ]
            except csv.Error as error:
                errors.append(f"({error}) in line {reader.line_num}")
    raise InvalidTask(f"expected a CSV file, got something else {errors[0]}: mend {path}")


def _is_single(head: str, columns: Sequence[str]) -> bool:
    """Return whether a file holds one column, the only one of ``columns``."""
    rows = csv.reader(StringIO(head, newline=""), delimiter=_NONE)
    return len(columns) == 1 and [cell.strip() for cell in next(rows, [])] == list(columns)


def _table(path: Path, lines: list[_Line], label: str | None, columns: Sequence[str]) -> Table:
    below = len(_below_titles([cells for cells, _ in lines]))
    single = bool(lines) and lines[0].cells == list(columns)
    rest = lines if single else lines[-below:] if below else lines[:1]
    rows = [row for row in rest[1:] if not _is_comment(row.cells) or len(row.cells) == len(rest[0].cells)]
    most = max((len(fitted(cells, 0)) for cells, _ in rows), default=0)
    first = fitted(rest[0].cells, min(most, len(rest[0].cells))) if rest else []
    longer = all(len(fitted(cells, 0)) == len(first) + 1 for cells, _ in rows)
    if rows and longer and len({cells[0] for cells, _ in rows}) == len(rows):
        first = ["", *first]  # names of rows, as R writes them
    width = len(first)
    if not single:
        _check_width(path, first)
    rows = [_Line(fitted(cells, width), number) for cells, number in rows]
    names = [" ".join(name.split()) for name in first]
    notes: tuple[str, ...] = ()
    if _is_header([cells for cells, _ in rows[:_HEADED]], names, (label, *columns)):
        names = _different([names[0].removeprefix("#").strip(), *names[1:]])
        rows = [row for row in rows if row.cells != first]  # files put one behind the other
    else:
        rows, names = [rest[0], *rows], [str(i + 1) for i in range(width)]
        notes = (f"the first row of {path.name} has no names, so that its columns are called 1 to {width}",)
    if not rows:
        raise InvalidTask(f"expected rows below the header of {path}, got none: add some")
    for cells, number in rows:
        if len(cells) != width:
            raise InvalidTask(
                f"expected {counted(width, 'field')} in each row, as in the header, got {len(cells)} "
                f"in line {number} of {path}: add or remove separators, or quote what holds them"
            )
    if len(lines) > len(rest):
        notes += (f"left out, above the columns of {path.name}: {listed(lines[0].cells[:1])}",)
    table = np.array([row.cells for row in rows], dtype=object)
    return Table(path, tuple(names), table, np.array([row.number for row in rows]), notes)


def _bounded(path: Path, row: list[str]) -> list[str]:
    if len(row) > MOST_COLUMNS and (columns := len(fitted(row, 0))) > MOST_COLUMNS:
        raise InvalidTask(
            f"expected at most {MOST_COLUMNS:,} columns, got {columns:,} in {path}: "
            "leave some out, or give the numbers as an .npz file"
        )
    return row


def _check_width(path: Path, first: list[str]) -> None:
    if len(first) < 2:
        got = f"only {listed(first)}: separate them by commas" if first else "none: add them"
        raise InvalidTask(f"expected the names of the columns in {path}, of inputs and a label, got {got}")


def _is_header(rows: list[list[str]], names: list[str], known: Sequence[str | None]) -> bool:
    """Return whether ``names`` are the names of columns, and no row like the others.

    They are if one is known or a name of labels, or they count up; not if they are numbers, or one of them
    comes again in its column.
    """
    if any((name in known and not name.isdecimal()) or name.lower() in LABEL_NAMES for name in names):
        return True
    numbers = [value for name in names if name and (value := plain_number(name)) is not None]
    if len(numbers) > 2 and all(b - a == 1 for a, b in pairwise(numbers)):
        return True
    if len(numbers) == len(names):
        return False
    return not any(name and name == cell for row in rows for name, cell in zip(names, row, strict=False))


def _different(names: Sequence[str]) -> list[str]:
    """Return names of columns in which those that have none are numbered, and so are those of one name."""
    found: Counter[str] = Counter()
    unique = []
    for place, name in enumerate(names, start=1):
        name = name or f"Unnamed: {place}"
        while found[name]:
            found[name] += 1
            name = f"{name} ({found[name]})"
        found[name] += 1
        unique.append(name)
    return unique
