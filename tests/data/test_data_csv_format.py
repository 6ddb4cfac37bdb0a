"""Tables as people write them: separators, blank rows, numbers, gaps, and bounds."""

import csv

import pytest
import torch

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.csv_table import MOST_LETTERS, number
from mse_rl.errors import InvalidTask

ROWS = [[str(i * 1.5), str(i % 7), "red" if i % 3 else "blue", "no" if i % 2 else "yes"] for i in range(40)]
NAMES = ["size", "count", "colour", "label"]


def load(path, text, lines=None):
    path.write_bytes(text.encode())
    return load_task(f"csv:{path}", TaskConfig(), log=(lines if lines is not None else []).append)


def refused(path, text):
    with pytest.raises(InvalidTask) as caught:
        load(path, text)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def same(task, other):
    """Return whether two tasks hold the same, whatever their names."""
    pairs = [(getattr(task, name), getattr(other, name)) for name in ("train", "validation", "test")]
    return task.encoding == other.encoding and all(
        torch.equal(a.x, b.x) and torch.equal(a.y, b.y) for a, b in pairs
    )


@pytest.fixture
def plain(tmp_path):
    return load(tmp_path / "plain.csv", "\n".join(map(",".join, [NAMES, *ROWS])))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_are_found(tmp_path, plain, separator):
    assert same(load(tmp_path / "a.csv", "\n".join(map(separator.join, [NAMES, *ROWS]))), plain)


def test_a_separator_within_quotes_does_not_count(tmp_path):
    text = "text,label\n" + "".join(f'"good; bad; {i}|",{i % 2}\n' for i in range(20))
    assert load(tmp_path / "a.csv", text).encoding["column"] == "text"


def test_a_file_of_semicolons_may_have_commas_in_its_names_and_numbers(tmp_path, plain):
    rows = [[cell.replace(".", ",") for cell in row] for row in ROWS]
    task = load(tmp_path / "a.csv", "\n".join(map(";".join, [["size, cm", *NAMES[1:]], *rows])))
    assert list(task.encoding["numeric"]) == ["size, cm", "count"]
    assert torch.equal(task.test.x, plain.test.x)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: ["", "  ", *lines],
        lambda lines: [lines[0], "", ",,,", " , ,,", *lines[1:], "\t", ""],
        lambda lines: [f"{line}," for line in lines],
        lambda lines: [lines[0], *(f"{line},, " for line in lines[1:])],
        lambda lines: [f"{lines[0]},", *lines[1:]],
    ],
)
def test_blank_rows_and_trailing_separators_say_nothing(tmp_path, plain, change):
    text = "\n".join(change([",".join(row) for row in [NAMES, *ROWS]]))
    assert same(load(tmp_path / "a.csv", text), plain)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("2,686", 2686),
        ("-1,234,567.5", -1234567.5),
        ("1.234.567", 1234567),
        ("1.234,5", 1234.5),
        ("0,125", 0.125),
        ("3,5", 3.5),
        ("12 500", 12500),
        ("12\u00a0500,25", 12500.25),
        ("1'000'000", 1000000),
        ("$5", 5),
        ("-$1,200.50", -1200.5),
        ("$-3", -3),
        ("1.200,50 €", 1200.5),
        ("EUR 7", 7),
        ("\u22125", -5),
        ("45%", 0.45),
        ("4,5 %", 0.045),
        ("1e3", 1000),
        (".5", 0.5),
    ],
)
def test_numbers_are_read_as_people_write_them(cell, value):
    assert number(cell) == value


@pytest.mark.parametrize(
    "cell", ["", "NULL", "null", "None", "N/A", "n/a", "#N/A", "<NA>", "NaN", "-", "--", "—", "?", ".", r"\N"]
)
def test_gaps_are_read_as_people_write_them(cell):
    assert number(cell) != number(cell)


@pytest.mark.parametrize(
    "cell",
    ["1_000", "12,34,56", "1,23.4", "2020-01-02", "12:30", "1.2.3", "5 kg", "$", "%", "1 2", "--5", "+"],
)
def test_other_things_are_no_numbers(cell):
    assert number(cell) is None


def test_a_file_with_decimal_commas_has_no_commas_between_thousands(tmp_path):
    rows = [f"{i},5;{i + 1},250;{i % 2}" for i in range(40)]
    task = load(tmp_path / "a.csv", "\n".join(["a;b;label", *rows]))
    assert 1 < task.encoding["numeric"]["b"] < 41
    rows = [f'{i};"{i + 1},250";{i % 2}' for i in range(40)]
    task = load(tmp_path / "b.csv", "\n".join(["a;b;label", *rows]))
    assert 1_250 < task.encoding["numeric"]["b"] < 41_250


def test_a_number_that_is_none_is_a_gap_and_the_user_is_told(tmp_path):
    rows = [f"{'unclear' if i == 7 else i * 1.5},{i % 7},{i % 2}" for i in range(60)]
    lines = []
    task = load(tmp_path / "a.csv", "\n".join(["size,n,label", *rows]), lines)
    assert list(task.encoding["numeric"]) == ["size", "n"]
    assert lines == [
        f"csv:{tmp_path / 'a.csv'}: read as gaps, as they are no numbers: 1 cells of column size, "
        "the first 'unclear' in line 9 of a.csv"
    ]


@pytest.mark.parametrize("cell", ["2020-01-{:02}", "{} kg", "<{}", "{}-9", "A{}", "0:{}"])
def test_dates_codes_and_measures_do_not_make_a_text_of_a_table(tmp_path, cell):
    rows = [f"{cell.format(i % 25 + 1)},{i % 7},{i % 2}" for i in range(60)]
    lines = []
    task = load(tmp_path / "a.csv", "\n".join(["code,n,label", *rows]), lines)
    assert list(task.encoding["numeric"]) == ["n"]
    assert lines[0].endswith("dates or numbers with units: column code: write numbers to read it")
    rows = [f"{cell.format(i % 25 + 1)},{i % 2}" for i in range(60)]
    alone = load(tmp_path / "b.csv", "\n".join(["code,label", *rows]))
    assert alone.kind == "tokens"


def test_words_for_gaps_are_words_among_words(tmp_path):
    rows = [f"{['none', 'NULL', '-', 'some'][i % 4]},{i % 2}" for i in range(40)]
    task = load(tmp_path / "a.csv", "\n".join(["c,label", *rows]))
    assert task.encoding["categorical"] == {"c": ["-", "NULL", "none", "some"]}


def test_a_long_text_is_read_and_the_bound_of_other_readers_stays(tmp_path):
    before = csv.field_size_limit()
    rows = [f"{'word ' * (60_000 if i == 3 else 5)},{i % 2}" for i in range(20)]
    assert load(tmp_path / "a.csv", "\n".join(["text,label", *rows])).kind == "tokens"
    assert csv.field_size_limit() == before


def test_a_cell_beyond_all_bounds_is_refused_by_its_line(tmp_path):
    text = f"text,label\nshort,1\n{'a' * (MOST_LETTERS + 1)},1\n"
    assert "field larger than field limit (10000000)) in line 3" in refused(tmp_path / "a.csv", text)


def test_a_million_columns_are_refused_and_as_many_blanks_left_out(tmp_path, plain):
    names = ",".join(f"c{i}" for i in range(10**6))
    assert "at most 100,000 columns, got 1,000,000" in refused(tmp_path / "a.csv", f"{names}\n1\n")
    blanks = "," * 10**6
    text = "\n".join([",".join(NAMES) + blanks, *map(",".join, ROWS)])
    assert same(load(tmp_path / "b.csv", text), plain)
