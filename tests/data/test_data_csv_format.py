"""Tables as people write them: separators, blank rows, numbers, gaps, and bounds."""

import csv
import json
from datetime import date, timedelta

import pytest
import torch

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.cells import USUAL, Writing, number, writing_of
from mse_rl.data.csv_table import MOST_LETTERS
from mse_rl.data.reader import InputReader
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
        ("(1,234)", -1234),
        ("$(5.50)", -5.5),
        ("1,234.5-", -1234.5),
        ("12,34,567", 1234567),
        ("€110.5M", 110.5e6),
        ("525K", 525e3),
        ("1,5E+03", 1500),
        ("<0.5", 0.5),
        ("~7", 7),
        ("1970-01-03", 2),
        ("1970-01-03 12:00:00", 2.5),
        ("1970-01-03T06:00:00.000Z", 2.25),
        ("1/3/1970", 2),
        ("3 Jan 1970", 2),
        ("Sat, January 3rd, 1970", 2),
        ("3-Jan-70", 2),
        ("12:30", 12.5),
        ("1:30 pm", 13.5),
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
    [
        "1_000",
        "12,34,56",
        "1,23.4",
        "2020-13-45",
        "1.2.3",
        "5 kg",
        "$",
        "%",
        "1 2",
        "--5",
        "+",
        "(-5)",
        "5-9",
    ],
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
    assert lines[1:] == [
        f"csv:{tmp_path / 'a.csv'}: read as gaps, as they are no numbers: 1 cell of column size, "
        "as 'unclear' in line 9 of a.csv"
    ]


SMALL = [1, 7, 21, 340, 1234, 5678, 23, 1234567] * 5


@pytest.mark.parametrize(
    "written",
    [
        lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")),  # 1.234,00
        lambda value: f"{value:,}".replace(",", "."),
        lambda value: f"{value:,.1f} €".translate(str.maketrans(",.", "\u202f,")),
        lambda value: f"{value:.4E}".replace(".", ","),
        lambda value: f"{value}kg",
        lambda value: f"{value} km/h",
        lambda value: f"{value:,}+",
    ],
)
def test_all_cells_tell_how_a_column_is_written_and_rows_are_read_so_later(tmp_path, written):
    cells = [written(value) for value in SMALL]
    text = "n;other;label\n" + "".join(f'"{cell}";{i % 7};{i % 2}\n' for i, cell in enumerate(cells))
    task = load(tmp_path / "a.csv", text)
    reader = InputReader.of_record(json.loads(json.dumps(task.record)))
    found = reader([[cell, 0] for cell in cells])[:, 0] * task.deviation[0] + task.mean[0]
    assert found.tolist() == pytest.approx(SMALL, rel=1e-3, abs=1)
    assert torch.allclose(reader([[value, 0] for value in SMALL]), reader([[c, 0] for c in cells]), atol=1e-3)


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d %b %Y", "%Y/%m/%d %H:%M"]
)
def test_dates_are_days_whatever_their_order(tmp_path, form):
    days = [date(1970, 1, 1) + timedelta(days=i) for i in range(60)]
    rows = [f"{day.strftime(form)},{i % 7},{i % 2}" for i, day in enumerate(days)]
    task = load(tmp_path / "a.csv", "\n".join(["day,n,label", *rows]))
    reader = InputReader.of_record(task.record)
    found = reader([[day.strftime(form), 0] for day in days])[:, 0] * task.deviation[0] + task.mean[0]
    assert found.tolist() == pytest.approx(range(60), abs=1e-3)


@pytest.mark.parametrize("cell", ["{}-9", "A{}", "{}/7", "Mr. Smith {}", "u{}@x.org", "10.0.0.{}"])
def test_codes_and_names_do_not_make_a_text_of_a_table(tmp_path, cell):
    rows = [f"{cell.format(i % 25 + 1)},{i % 7},{i % 2}" for i in range(60)]
    lines = []
    task = load(tmp_path / "a.csv", "\n".join(["code,n,label", *rows]), lines)
    assert list(task.encoding["numeric"]) == ["n"]
    assert lines[1].endswith("left out, as names or codes that hardly come again: column code")
    rows = [f"{cell.format(i % 25 + 1)},{i % 2}" for i in range(60)]
    alone = load(tmp_path / "b.csv", "\n".join(["code,label", *rows]))
    assert alone.kind == "tokens"


@pytest.mark.parametrize("name", ["id", "PassengerId", "user_id", "", "Unnamed: 0", "index"])
def test_numbers_of_rows_are_left_out(tmp_path, plain, name):
    rows = [[str(7 * i % 40), *row] for i, row in enumerate(ROWS)]
    assert same(load(tmp_path / "a.csv", "\n".join(map(",".join, [[name, *NAMES], *rows]))), plain)


@pytest.mark.parametrize(
    "above", ["Report of 2024", "# made by a program\n# in two, lines", "sep=,", "Report of 2024,,,\n\n"]
)
def test_titles_and_comments_above_a_table_are_left_out(tmp_path, plain, above):
    lines = []
    text = "\n".join([above, *map(",".join, [NAMES, *ROWS])])
    assert same(load(tmp_path / "a.csv", text, lines), plain)
    assert "left out, above the columns of a.csv" in lines[0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace(",", "  ").encode(),
        lambda text: text.replace(",", " , ").encode(),
        lambda text: text.replace("\n", "\n# a comment, with a comma\n", 3).encode(),
        lambda text: f"# {text}".encode(),
        lambda text: text.replace("yes\n", "yes\nsize,count,colour,label\n", 1).encode(),
        lambda text: "\n".join(  # row names without a name of theirs
            line if i == 0 else f"r{i},{line}" for i, line in enumerate(text.splitlines())
        ).encode(),
    ],
)
def test_the_same_table_in_another_form(tmp_path, plain, change):
    (tmp_path / "a.csv").write_bytes(change("\n".join(map(",".join, [NAMES, *ROWS]))))
    assert same(load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig()), plain)


def test_a_file_without_a_header_has_numbered_columns(tmp_path, plain):
    lines = []
    task = load(tmp_path / "a.csv", "\n".join(map(",".join, ROWS)), lines)
    assert list(task.encoding["numeric"]) == ["1", "2"]
    assert torch.equal(task.test.x, plain.test.x)
    assert lines[0].endswith("the first row of a.csv has no names, so that its columns are called 1 to 4")


def test_letters_of_windows_are_read_and_the_user_is_told(tmp_path):
    lines = []
    (tmp_path / "a.csv").write_bytes("\n".join(["c,label", *["grün,0", "blau,1"] * 10]).encode("cp1252"))
    task = load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig(), log=lines.append)
    assert task.encoding["categorical"] == {"c": ["blau", "grün"]}
    assert lines[0].endswith("a.csv is not in UTF-8: its letters are read as Windows' (cp1252)")


def test_quotes_may_be_escaped(tmp_path):
    rows = [f'"he said \\"no\\", {i}",{i % 2}' for i in range(20)]
    assert load(tmp_path / "a.csv", "\n".join(["text,label", *rows])).kind == "tokens"


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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_wide_letters_are_read_by_their_mark(tmp_path, plain, encoding):
    (tmp_path / "a.csv").write_bytes("\n".join(map(",".join, [NAMES, *ROWS])).encode(encoding))
    assert same(load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig()), plain)


def test_single_quotes_are_quotes_if_all_names_are_in_them(tmp_path, plain):
    rows = [[f"'{cell}'" for cell in row] for row in [NAMES, *ROWS]]
    assert same(load(tmp_path / "a.csv", "\n".join(map(",".join, rows))), plain)
    text = "text,label\n" + "".join(f"'tis {i} o'clock now,{i % 2}\n" for i in range(20))
    assert load(tmp_path / "b.csv", text).encoding["reads"] == "text"


def test_labels_of_leading_zeros_keep_them(tmp_path):
    for names, classes in ((("007", "010"), ["007", "010"]), (("7", "010"), ["7", "10"])):
        rows = [f"{i},{names[i % 2]}" for i in range(20)]
        assert load(tmp_path / "a.csv", "\n".join(["size,label", *rows])).encoding["classes"] == classes


def test_a_date_that_begins_with_its_year_goes_on_with_the_month():
    cells = ["2020-01-05 13:30:00.000000", "2020-02-06 13:30:00.000000"]
    assert writing_of(cells, commas=False) == USUAL
    for way in (USUAL, Writing(day_first=True)):
        assert number(cells[0], way) == 18266.5625
    assert number("Sun Jan 05 13:30:00 2020") == number("Sun Jan  5 13:30:00 UTC 2020") == 18266.5625
    assert number("Sun Jan 05 13:30:00 +0000 2020") == 18266.5625
    assert [number(cell) for cell in ("THB 5.50", "5.50 ZAR", "₿0.5")] == [5.5, 5.5, 0.5]
