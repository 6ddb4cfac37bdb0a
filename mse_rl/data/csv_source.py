"""CSV files of the user's own: texts, or tables of numbers and categories, and a column of labels."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mse_rl.config.training import TaskConfig
from mse_rl.data.cells import is_gap, plain_number
from mse_rl.data.csv_table import LABEL_NAMES, Table, read_table
from mse_rl.data.raw import Array, Asked, Kind, Labels, RawData, about_part, listed
from mse_rl.data.reader import InputReader
from mse_rl.data.split import hold_out_test, may_be_held_out
from mse_rl.data.table import Columns, TableEncoder, check_cells, sort_columns
from mse_rl.data.tokens import TextEncoder
from mse_rl.errors import InvalidTask, brief
from mse_rl.files import is_folder, named_path

LEAST_CLASSES = 10
"""What has more different values, most of them once or twice, is hardly a class."""


def csv_file(argument: str, config: TaskConfig) -> RawData:
    """Read a .csv file, of which a fifth is held out for the test, or a folder with train.csv and test.csv.

    The first line names the columns. Labels are in the column that the config names, else in the one called
    label, target, class or y, whatever the case, else in the last one; classes are numbered in order: as
    numbers if they all are, else as strings. If a column holds text, the first of them (one called text
    before others) is the input, as tokens; else numbers and categories are, as a vector, and columns that
    name the rows, or hold names or codes, are left out.

    Raises:
        InvalidTask: a file is missing or broken, or a cell is not what its column asks for.
    """
    path = named_path(argument, InvalidTask)
    folder = is_folder(path)
    train = test = read_table(_file(path, "train.csv") if folder else path, config.label)
    label = _label_column(train, config.label)
    if folder:
        test = _same_columns(read_table(_file(path, "test.csv"), label), train, label)
        (y_train, y_test), classes = _labels((train, test), label)
    else:
        (y,), classes = _labels((train,), label)
        rows, test_rows = _hold_out(y, classes, train, label)
        train, test, y_train, y_test = train.take(rows), train.take(test_rows), y[rows], y[test_rows]
    x_train, x_test, encoder, notes = _inputs(train, test, label)
    kind: Kind = "tokens" if isinstance(encoder, TextEncoder) else "vector"
    tables = {"train": train, "test": test}
    return RawData(
        x_train,
        y_train,
        x_test,
        y_test,
        kind,
        notes=(*train.notes, _about_labels(label, classes, config), *notes),
        encoder=encoder,
        classes=classes,
        records=lambda split: tables[split].records(),
    )


def asked_rows(argument: str, config: TaskConfig, split: str, reader: InputReader) -> Asked:
    """Read rows as ``csv_file`` does, with or without labels.

    A folder has those of a split in its file. A file that a network may have been trained on, with labels and
    at least 3 rows of each class, has them in the part that ``csv_file`` gives it; of any other file all rows
    are read. Labels are in the column that the config names, else in the one called like labels, else in the
    last one if all that is in it are the reader's classes; never there in a column that the reader reads.

    Raises:
        InvalidTask: the file is missing or broken, labels are there for some rows only, or the reader reads
            no tables.
    """
    if not (read := reader.columns):
        raise InvalidTask(f"expected {reader.kind} inputs, got a table: name a dataset like the child's own")
    path = named_path(argument, InvalidTask)
    folder = is_folder(path)
    table = read_table(_file(path, f"{split}.csv") if folder else path, config.label, read)
    label = _known_label(table, config.label, read, reader.classes or ())
    if label is None:
        return Asked(table.records())
    (names,) = _names_of_labels((table,), label)[0]
    notes = [f"labels are read from column {label}"]
    if not folder and may_be_held_out(names):
        (y,), _ = _labels((table,), label)
        rows = hold_out_test(y)[split == "test"]
        notes.append(about_part(split, len(rows), len(names)))
        table, names = table.take(rows), [names[row] for row in rows]
    return Asked(table.records(), names, notes=notes)


def _known_label(table: Table, wanted: str | None, read: Sequence[str], classes: Sequence[str]) -> str | None:
    """Return the column of labels, None if there is none or nothing in it."""
    if wanted is not None:
        label: str | None = _label_column(table, wanted)
    else:
        called = [name for word in LABEL_NAMES for name in table.names if name.lower() == word]
        cells = {cell for cell in table.column(table.names[-1]) if not is_gap(cell) or cell in classes}
        last = [table.names[-1]] if all(_is_class(cell, classes) for cell in cells) else []
        label = next((name for name in (*called, *last) if name not in read), None)
    return None if label is None or all(map(is_gap, table.column(label))) else label


def _is_class(cell: str, classes: Sequence[str]) -> bool:
    """Return whether a cell is one of the classes, which may be numbers in another spelling."""
    return cell in classes or (plain_number(cell) is not None and _canonical(cell) in classes)


def _file(folder: Path, name: str) -> Path:
    """Return the file that is called so, whatever the case."""
    found = (path for path in sorted(folder.iterdir()) if path.name.lower() == name)
    return next(found, folder / name)


def _about_labels(label: str, classes: tuple[str, ...], config: TaskConfig) -> str:
    said = f"labels are read from column {label}: {len(classes)} classes, {listed(classes)}"
    if config.label is None and label.lower() not in LABEL_NAMES:
        said += "; it is the last one: `label` names another"
    if len({name.lower() for name in classes}) < len(classes):
        said += "; some differ in capital letters only"
    if gaps := [name for name in classes if is_gap(name)]:
        said += f"; {listed(gaps)} are classes like others: drop their rows if they stand for no label"
    return said


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
        TableEncoder(columns.numeric, columns.categorical, columns.writings),
        _left_out(columns) + notes,
    )


def _same_columns(table: Table, like: Table, label: str) -> Table:
    """Return the columns of a table in the order of another one."""
    if set(table.names) != set(like.names):
        advice = "give both the same"
        if label not in table.names:
            advice = f"name {like.path} itself as the task to have a part of it held out for the test"
        raise InvalidTask(
            f"expected the columns of {like.path} in {table.path}, too, which are {listed(like.names)}, "
            f"got {listed(table.names)}: {advice}"
        )
    return Table(table.path, like.names, table.columns(like.names), table.lines)


def _label_column(table: Table, wanted: str | None) -> str:
    """Return the column that is wanted, by its name or number, or else is called like one of labels."""
    names = table.names
    if wanted is None:
        called = (name for word in LABEL_NAMES for name in names if name.lower() == word)
        label = next(called, names[-1])
        if f"{label} (2)" in names:
            raise InvalidTask(f"expected one column {label} in {table.path}, got two: rename one")
        return label
    found = [name for name in names if wanted == name] or [
        name for name in names if wanted.lower() == name.lower()
    ]
    if not found and wanted.isdecimal() and 0 < int(wanted) <= len(names):
        found = [names[int(wanted) - 1]]
    if not found:
        raise InvalidTask(
            f"expected the name or number of a column of {table.path} as `label`, got {brief(wanted)!r}: "
            f"they are {listed(names)}"
        )
    return found[0]


def _text_column(columns: Columns, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    column = min(columns.text or columns.codes or names, key=lambda name: name.lower() != "text")
    if not (ignored := [name for name in names if name != column]):
        return column, () if column in columns.text else (f"column {column} is read as text",)
    note = f"column {column} is read as text, {listed(ignored)} ignored: remove {column} to read the others"
    return column, (note,)


def _left_out(columns: Columns) -> tuple[str, ...]:
    notes = (
        (columns.identifiers, "left out, as there is another word or number in every row: column {}"),
        (columns.codes, "left out, as names or codes that hardly come again: column {}"),
    )
    return tuple(note.format(listed(names)) for names, note in notes if names)


def _labels(tables: Sequence[Table], label: str) -> tuple[list[Labels], tuple[str, ...]]:
    """Return the classes (n,) of each table's rows, and all names, those of the first table first."""
    cells, numeric = _names_of_labels(tables, label)
    names: dict[str, int] = {}
    for column in cells:
        for name in sorted(set(column) - set(names), key=float if numeric else str):
            names[name] = len(names)
    if len(names) < 2:
        raise InvalidTask(
            f"expected at least 2 classes in column {label}, got only class {listed(tuple(names))}: "
            "add rows of others, or name another column as `label`"
        )
    return [np.array([names[cell] for cell in column], dtype=np.int64) for column in cells], tuple(names)


def _names_of_labels(tables: Sequence[Table], label: str) -> tuple[list[list[str]], bool]:
    """Return the name of the class of each table's rows, and whether all are numbers."""
    cells = [[" ".join(cell.split()) for cell in table.column(label)] for table in tables]
    numeric = all(is_gap(cell) or plain_number(cell) is not None for column in cells for cell in column)
    numeric = numeric and not all(is_gap(cell) for column in cells for cell in column)
    numeric = numeric and not _are_codes([cell for column in cells for cell in column])
    for table, column in zip(tables, cells, strict=True):
        for row, cell in enumerate(column):
            if not cell or (numeric and is_gap(cell)):
                raise InvalidTask(
                    f"expected a label in column {label} of each row, got {cell!r} in {table.place(row)}: "
                    "fill it in, drop the row, or name another column as `label`"
                )
    if numeric:
        cells = [[_canonical(cell) for cell in column] for column in cells]
    return cells, numeric


def _are_codes(cells: Sequence[str]) -> bool:
    """Return whether labels are written like 007: digits, as many in each, some of which begin with 0."""
    alike = all(map(str.isdecimal, cells)) and len(set(map(len, cells))) == 1
    return alike and len(cells[0]) > 1 and any(cell[0] == "0" for cell in cells)


def _canonical(cell: str) -> str:
    """Write a number in one way: 1, 1.0 and 01 are the same class."""
    try:
        return str(int(cell))
    except ValueError:
        value = float(cell)
        return str(int(value)) if value.is_integer() else str(value)


def _hold_out(y: Labels, classes: tuple[str, ...], table: Table, label: str) -> tuple[Labels, Labels]:
    counts = np.bincount(y)
    rare = [classes[i] for i in np.flatnonzero(counts < 3)]
    if 2 * len(rare) > len(classes) > 2 * LEAST_CLASSES:
        others = [name for name in table.names if len(set(table.column(name))) <= LEAST_CLASSES]
        raise InvalidTask(
            f"expected classes in column {label}, got {len(classes):,} different values in {len(y):,} rows: "
            f"name another column as `label`{f', such as {listed(others)},' if others else ''} or group them"
        )
    if rare:
        raise InvalidTask(
            "expected at least 3 rows of each class, to train, validate and test on, "
            f"got {counts.min()} of {listed(rare)}: add rows, drop the class, or name another column "
            "as `label`"
        )
    return hold_out_test(y)
