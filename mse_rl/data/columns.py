"""What the columns of a table hold: numbers, categories, text, or names of the rows."""

from dataclasses import dataclass
from math import isinf

from mse_rl.data.csv_table import Table
from mse_rl.data.raw import Array
from mse_rl.data.tokens import tokenise
from mse_rl.data.values import number
from mse_rl.errors import InvalidTask

MOST_CATEGORIES = 1_000
"""All categories of all columns together are at most so many inputs."""
_WORDS = 3
_FEW = 20


@dataclass(frozen=True)
class Columns:
    """Names of columns by what they hold, in the order of the file."""

    numeric: tuple[str, ...]
    categorical: tuple[str, ...]
    text: tuple[str, ...]
    identifiers: tuple[str, ...]


def sort_columns(train: Table, names: tuple[str, ...]) -> Columns:
    """Sort the columns ``names`` by what their cells are.

    - A column called text is text.
    - It is numeric if all cells that are not missing are numbers.
    - It is categorical if it has few different values, at most 20 or a twentieth of the rows, and these are
      short (most cells have less than three words) or come back (five times on average).
    - It holds identifiers if it has another word in every row.
    - Else it is text.
    """
    kinds = {name: _kind(name, train.columns([name])[:, 0]) for name in names}
    return Columns(*(tuple(name for name in names if kinds[name] == kind) for kind in _KINDS))


def check_cells(train: Table, test: Table, columns: Columns) -> None:
    """Check that numeric columns hold finite numbers, and that the categories are not too many inputs.

    Raises:
        InvalidTask: one does not, or they are; the cell or the column with most categories is named.
    """
    for name in columns.numeric:
        _check_numeric(train, name)
        _check_numeric(test, name)
    counts = {name: len(set(train.columns([name])[:, 0])) for name in columns.categorical}
    if sum(counts.values()) > MOST_CATEGORIES:
        name = max(counts, key=counts.__getitem__)
        raise InvalidTask(
            f"expected at most {MOST_CATEGORIES:,} categories in all columns, got {sum(counts.values()):,}, "
            f"{counts[name]:,} of them in column {name}: group its values or remove it"
        )


_KINDS = ("numeric", "categorical", "text", "identifier")


def _kind(name: str, cells: Array) -> str:
    if name.lower() == "text":
        return "text"
    if all(number(cell) is not None for cell in cells):
        return "numeric"
    different = len(set(cells))
    long = 2 * sum(len(cell.split()) >= _WORDS for cell in cells) > len(cells)
    few = different <= max(_FEW, len(cells) / 20)
    if few and (not long or 5 * different <= len(cells)):
        return "categorical"
    named = different == len(cells) and all(len(tokenise(cell)) == 1 for cell in cells)
    return "identifier" if named else "text"


def _check_numeric(table: Table, name: str) -> None:
    for row, cell in enumerate(table.columns([name])[:, 0]):
        value = number(cell)
        if value is None or isinf(value):
            raise InvalidTask(
                f"expected finite numbers in column {name}, got {cell[:40]!r} in {table.place(row)}: "
                "correct it, or leave it empty if it is not known"
            )
