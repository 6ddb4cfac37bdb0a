"""CSV files of the user's own: texts, or tables of numbers and categories, and a column of labels."""

from collections.abc import Sequence

import numpy as np

from mse_rl.config.training import TaskConfig
from mse_rl.data.csv_table import Table, is_missing, plain_number, read_table
from mse_rl.data.raw import Array, Kind, Labels, RawData, listed
from mse_rl.data.split import hold_out_test
from mse_rl.data.table import Columns, TableEncoder, check_cells, sort_columns
from mse_rl.data.tokens import TextEncoder
from mse_rl.errors import InvalidTask
from mse_rl.files import is_folder, named_path

_LABEL_NAMES = ("label", "target", "class", "y")


def csv_file(argument: str, config: TaskConfig) -> RawData:
    """Read a .csv file, of which a fifth is held out for the test, or a folder with train.csv and test.csv.

    The first line names the columns. Labels are in the column called label, target, class or y, whatever
    the case, else in the last one; classes are numbered in order: as numbers if they all are, else as
    strings. If a column holds text, the first of them (one called text before others) is the input, as
    tokens; else numbers and categories are, as a vector, and columns that name the rows, or hold codes or
    dates, are left out.

    Raises:
        InvalidTask: a file is missing or broken, or a cell is not what its column asks for.
    """
    path = named_path(argument)
    folder = is_folder(path)
    train = test = read_table(path / "train.csv" if folder else path)
    label, label_notes = _label_column(train.names)
    if folder:
        test = _same_columns(read_table(path / "test.csv"), train)
        (y_train, y_test), classes = _labels((train, test), label)
    else:
        (y,), classes = _labels((train,), label)
        rows, test_rows = _hold_out(y, classes)
        train, test, y_train, y_test = train.take(rows), train.take(test_rows), y[rows], y[test_rows]
    x_train, x_test, encoder, notes = _inputs(train, test, label)
    kind: Kind = "tokens" if isinstance(encoder, TextEncoder) else "vector"
    notes = label_notes + notes
    return RawData(x_train, y_train, x_test, y_test, kind, notes=notes, encoder=encoder, classes=classes)


def _inputs(
    train: Table, test: Table, label: str
) -> tuple[Array, Array, TextEncoder | TableEncoder, tuple[str, ...]]:
    """Return the strings that are read from both tables, what makes numbers of them, and notes."""
    names = tuple(name for name in train.names if name != label)
    columns = sort_columns(train, names)
    if columns.text or not columns.numeric + columns.categorical:
        column, notes = _text_column(columns, names)
        return train.columns([column])[:, 0], test.columns([column])[:, 0], TextEncoder(column), notes
    notes = check_cells(train, test, columns)
    used = columns.numeric + columns.categorical
    return (
        train.columns(used),
        test.columns(used),
        TableEncoder(columns.numeric, columns.categorical),
        _left_out(columns) + notes,
    )


def _same_columns(table: Table, like: Table) -> Table:
    """Return the columns of a table in the order of another one."""
    if set(table.names) != set(like.names):
        raise InvalidTask(
            f"expected the columns of {like.path} in {table.path}, too, which are {listed(like.names)}, "
            f"got {listed(table.names)}: give both the same"
        )
    return Table(table.path, like.names, table.columns(like.names), table.lines)


def _label_column(names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    for wanted in _LABEL_NAMES:
        for name in names:
            if name.lower() == wanted:
                return name, ()
    note = f"labels are read from the last column, {names[-1]}: call another one label to choose"
    return names[-1], (note,)


def _text_column(columns: Columns, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    column = min(columns.text or columns.codes or names, key=lambda name: name.lower() != "text")
    if not (ignored := [name for name in names if name != column]):
        return column, ()
    note = f"column {column} is read as text, {listed(ignored)} ignored: remove {column} to read the others"
    return column, (note,)


def _left_out(columns: Columns) -> tuple[str, ...]:
    notes = (
        (columns.identifiers, "left out, as there is another word in every row: column {}"),
        (
            columns.codes,
            "left out, as codes, dates or numbers with units: column {}: write numbers to read it",
        ),
    )
    return tuple(note.format(listed(names)) for names, note in notes if names)


def _labels(tables: Sequence[Table], label: str) -> tuple[list[Labels], tuple[str, ...]]:
    """Return the classes (n,) of each table's rows, and all names, those of the first table first."""
    cells = [[" ".join(cell.split()) for cell in table.columns([label])[:, 0]] for table in tables]
    numeric = all(plain_number(cell) is not None for column in cells for cell in column)
    for table, column in zip(tables, cells, strict=True):
        for row, cell in enumerate(column):
            if not cell or (numeric and is_missing(cell)):
                raise InvalidTask(
                    f"expected a label in column {label} of each row, got {cell!r} in {table.place(row)}: "
                    "fill it in or drop the row"
                )
    if numeric:
        cells = [[_canonical(cell) for cell in column] for column in cells]
    names: dict[str, int] = {}
    for column in cells:
        for name in sorted(set(column) - set(names), key=float if numeric else str):
            names[name] = len(names)
    return [np.array([names[cell] for cell in column], dtype=np.int64) for column in cells], tuple(names)


def _canonical(cell: str) -> str:
    """Write a number in one way: 1, 1.0 and 01 are the same class."""
    try:
        return str(int(cell))
    except ValueError:
        value = float(cell)
        return str(int(value)) if value.is_integer() else str(value)


def _hold_out(y: Labels, classes: tuple[str, ...]) -> tuple[Labels, Labels]:
    counts = np.bincount(y)
    if counts.min() < 3:
        rare = [classes[i] for i in np.flatnonzero(counts < 3)]
        raise InvalidTask(
            "expected at least 3 rows of each class, to train, validate and test on, "
            f"got {counts.min()} of {listed(rare)}: add rows, drop the class, or call another column label"
        )
    return hold_out_test(y)
