"""CSV files: texts, tables, and what is wrong with them."""

import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.errors import InvalidTask
from mse_rl.spec.architecture import PADDING, UNKNOWN


def write(path, *lines):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"csv:{path}"


def refused(name, config=None):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, config or TaskConfig())
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def table(rows=40):
    """Return a number with gaps, a constant, a category with gaps, and a class."""
    colours = ["red", "green", "", "blue"]
    return [
        f"{'' if i % 10 == 9 else i / 2},5,{colours[i % 4]},{'no' if i % 2 else 'yes'}" for i in range(rows)
    ]


HEADER = "size,constant,colour,class"


def columns(task):
    """Return what all three splits hold, normalisation undone."""
    x = torch.cat([task.train.x, task.validation.x, task.test.x]).double()
    return (x * torch.tensor(task.deviation) + torch.tensor(task.mean)).numpy()


def test_a_table_becomes_numbers_with_gaps_filled_then_one_column_per_category(tmp_path):
    lines = []
    task = load_task(write(tmp_path / "a.csv", HEADER, *table()), TaskConfig(), log=lines.append)
    assert lines == [
        f"{task.name}: labels are read from column class: 2 classes, no, yes",
        f"{task.name}: of no use, as constant: 1 of 6 features",
    ]
    assert (task.kind, task.classes, task.input_shape, task.vocabulary) == ("vector", 2, (6,), 0)
    assert len(task.train) + len(task.validation) + len(task.test) == 40
    assert task.encoding["reads"] == "table"
    assert task.encoding["classes"] == ["no", "yes"]
    assert list(task.encoding["numeric"]) == ["size", "constant"]
    assert task.encoding["categorical"] == {"colour": ["", "blue", "green", "red"]}
    x = columns(task)
    assert (x[:, 2:].round(5).sum(1) == 1).all()
    mean = task.encoding["numeric"]["size"]
    known = {i / 2 for i in range(40) if i % 10 != 9}
    assert {round(value, 3) for value in x[:, 0]} == {round(value, 3) for value in (*known, mean)}
    assert (task.train.x[:, 1] == 0).all()  # constant


def test_labels_stay_with_their_rows(tmp_path):
    name = write(
        tmp_path / "a.csv", "a,label", *(f"{i},{'even' if i % 2 == 0 else 'odd'}" for i in range(50))
    )
    task = load_task(name, TaskConfig())
    y = torch.cat([task.train.y, task.validation.y, task.test.y]).numpy()
    assert (columns(task)[:, 0].round().astype(int) % 2 == y).all()
    assert task.encoding["classes"] == ["even", "odd"]


def test_what_is_missing_is_the_mean_of_train_and_unknown_categories_are_zero(tmp_path):
    rows = [f"{i},{'ab'[i % 2]},{i % 2}" for i in range(20)]
    write(tmp_path / "train.csv", "n,c,y", *rows)
    gaps = ["", "?", "NaN", "na", "NA"]
    write(tmp_path / "test.csv", "n,c,y", *(f"{gap},b,1" for gap in gaps), "3,other,0", "3,,0")
    task = load_task(f"csv:{tmp_path}", TaskConfig())
    assert task.test.x[:5, 0].abs().max() < 1e-6
    b = torch.tensor([0.0, 1.0])
    mean, deviation = torch.tensor(task.mean)[1:], torch.tensor(task.deviation)[1:]
    assert torch.allclose(task.test.x[:5, 1:], (b - mean) / deviation)
    assert torch.allclose(task.test.x[5:, 1:], -mean / deviation)


def test_a_text_becomes_the_words_that_occur_twice_in_train(tmp_path):
    texts = ["The cat, the dog", "a CAT", "", "dog a zebra"] * 5
    write(tmp_path / "train.csv", "label,text", *(f'{"xy"[i % 2]},"{text}"' for i, text in enumerate(texts)))
    write(tmp_path / "test.csv", "text,label", '"zebra cat unseen",x', '"",y', f'"{"dog " * 99}",x')
    task = load_task(f"csv:{tmp_path}", TaskConfig())
    words = task.encoding["words"]
    assert (task.kind, task.input_shape, task.vocabulary) == ("tokens", (5,), len(words) + 2)
    assert set(words) == {"the", "cat", ",", "dog", "a", "zebra"}
    ids = {word: i for i, word in enumerate(words, start=2)}
    assert task.test.x.tolist() == [
        [ids["zebra"], ids["cat"], UNKNOWN, PADDING, PADDING],
        [UNKNOWN] + [PADDING] * 4,
        [ids["dog"]] * 5,
    ]
    assert task.test.x.dtype == torch.int64
    assert (task.mean, task.deviation) == ((), ())
    assert {key: task.encoding[key] for key in ("reads", "column", "length", "classes")} == {
        "reads": "text",
        "column": "text",
        "length": 5,
        "classes": ["x", "y"],
    }


def test_the_vocabulary_is_in_order_of_frequency_then_of_the_alphabet_and_bounded(tmp_path, monkeypatch):
    name = write(tmp_path / "a.csv", "text,y", *(f"c b b a common,{i % 2}" for i in range(20)))
    assert load_task(name, TaskConfig()).encoding["words"] == ["b", "a", "c", "common"]
    monkeypatch.setattr("mse_rl.data.tokens.MOST_WORDS", 2)
    task = load_task(name, TaskConfig())
    assert (task.encoding["words"], task.vocabulary) == (["b", "a"], 4)
    assert task.test.x[0].tolist() == [UNKNOWN, 2, 2, 3, UNKNOWN]


@pytest.mark.parametrize(("words", "often", "length"), [(600, 20, 512), (100, 20, 100), (100, 3, 9)])
def test_texts_are_cut_where_most_of_them_end_and_at_512_tokens(tmp_path, words, often, length):
    """Of a hundred texts the last few are long."""
    texts = [f"{'word ' * (words if i >= 100 - often else 9)},{i % 2}" for i in range(100)]
    write(tmp_path / "train.csv", "text,y", *texts)
    write(tmp_path / "test.csv", "text,y", *texts)
    task = load_task(f"csv:{tmp_path}", TaskConfig(validation_fraction=0.02))
    assert task.input_shape == (task.encoding["length"],) == (length,)


def test_words_and_categories_of_validation_and_test_rows_are_unknown(tmp_path):
    """Each row has a word and a category of its own, twice or more."""
    words = [f"w{i} w{i} w{i} common" for i in range(20)]
    text = load_task(
        write(tmp_path / "a.csv", "text,y", *(f"{w},{i % 2}" for i, w in enumerate(words))), TaskConfig()
    )
    for split, own in ((text.train, False), (text.validation, True), (text.test, True)):
        assert ((split.x[:, :3] == UNKNOWN).all(1) == own).all()
        assert (split.x[:, 3] == 2).all()
    assert len(text.encoding["words"]) == len(text.train) + 1
    name = write(tmp_path / "b.csv", "c,y", *(f"c{i},{i % 2}" for i in range(20)))
    vector = load_task(name, TaskConfig())
    assert vector.input_shape == (len(vector.train),)
    means = torch.tensor(vector.mean)
    unseen = -means / torch.tensor(vector.deviation)
    for split in (vector.validation, vector.test):
        assert torch.allclose(split.x, unseen.expand_as(split.x), atol=1e-5)


@pytest.mark.parametrize("names", ["Label,class,target", "TARGET,class,y", "a,Class,y", "a,b,Y"])
def test_the_label_is_found_by_its_name_in_any_case(tmp_path, names):
    found = next(i for i, n in enumerate(names.split(",")) if n in ("Label", "TARGET", "Class", "Y"))
    rows = [[str(i), "2.5" if i % 3 else "3", str(i % 7)] for i in range(20)]
    for i, row in enumerate(rows):
        row[found] = "pq"[i % 2]
    lines = []
    task = load_task(write(tmp_path / "a.csv", names, *map(",".join, rows)), TaskConfig(), log=lines.append)
    assert task.encoding["classes"] == ["p", "q"]
    label = names.split(",")[found]
    assert lines == [f"{task.name}: labels are read from column {label}: 2 classes, p, q"]


def test_without_such_a_name_the_last_column_is_the_label_and_the_user_is_told(tmp_path):
    lines = []
    name = write(tmp_path / "a.csv", "a,kind", *(f"{i},{'pq'[i % 2]}" for i in range(20)))
    assert load_task(name, TaskConfig(), log=lines.append).encoding["classes"] == ["p", "q"]
    said = "labels are read from column kind: 2 classes, p, q; it is the last one: `label` names another"
    assert lines == [f"{name}: {said}"]


@pytest.mark.parametrize("label", ["kind", "KIND", "2"])
def test_the_label_is_the_column_that_is_named(tmp_path, label):
    rows = [f"{i},{'pq'[i % 2]},{i % 3}" for i in range(20)]
    name = write(tmp_path / "a.csv", "a,kind,label", *rows)
    task = load_task(name, TaskConfig(label=label))
    assert (task.encoding["classes"], list(task.encoding["numeric"])) == (["p", "q"], ["a", "label"])
    message = refused(name, TaskConfig(label="sort"))
    assert "column of" in message
    assert "as `label`, got 'sort': they are a, kind, label" in message


def test_labels_that_are_numbers_are_in_order_as_numbers(tmp_path):
    name = write(tmp_path / "a.csv", "a,y", *(f"{i},{['10', '9', '9.0', '-1.5'][i % 4]}" for i in range(40)))
    task = load_task(name, TaskConfig())
    assert task.encoding["classes"] == ["-1.5", "9", "10"]
    y = torch.cat([task.train.y, task.validation.y, task.test.y])
    assert y.bincount().tolist() == [10, 20, 10]


def test_the_first_text_is_read_and_the_rest_named(tmp_path):
    row = "a long sentence of words number {0},another long one of words {0},{0},{1}"
    rows = [row.format(i, i % 2) for i in range(20)]
    lines = []
    name = write(tmp_path / "a.csv", "title,body,n,y", *rows)
    task = load_task(name, TaskConfig(), log=lines.append)
    assert task.encoding["column"] == "title"
    assert lines[1:] == [
        f"{name}: column title is read as text, body, n ignored: remove title to read the others"
    ]
    rows[7] = row.format("inf", 1)  # in a column that is ignored
    name = write(tmp_path / "a.csv", "title,Text,n,y", *rows)
    assert load_task(name, TaskConfig()).encoding["column"] == "Text"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([str(i) for i in range(40)], "numeric"),
        (["1e3", "-2.5", "?", "NA"] * 10, "numeric"),
        (["1", "2", "NULL", "4"] * 10, "numeric"),
        (["none", "-"] * 20, "categorical"),
        ([*map(str, range(30)), "about 3", "n.k."], "numeric"),
        ([*map(str, range(30)), *(f"c{i}" for i in range(40))], "text"),
        ([""] * 40, "numeric"),
        (["1", "2", "x", "4"] * 10, "categorical"),
        (["1_000", "2"] * 20, "categorical"),
        (["I agree with that", "I do not agree with that"] * 20, "categorical"),
        ([f"c{i % 20}" for i in range(40)], "categorical"),
        ([f"c{i % 21}" for i in range(42)], "text"),
        ([f"c{i % 21}" for i in range(840)], "categorical"),
        ([f"these are three {i % 20}" for i in range(40)], "text"),
    ],
)
def test_a_column_is_numeric_categorical_or_text_by_what_it_holds(tmp_path, cells, kind):
    rows = [f"{cell},{i % 2}" for i, cell in enumerate(cells)]
    write(tmp_path / "train.csv", "a,y", *rows)
    write(tmp_path / "test.csv", "a,y", *rows)
    encoding = load_task(f"csv:{tmp_path}", TaskConfig()).encoding
    found = "text" if encoding["reads"] == "text" else "numeric" if encoding["numeric"] else "categorical"
    assert found == kind


def test_names_of_rows_are_left_out_and_the_user_is_told_but_not_if_there_is_nothing_else(tmp_path):
    lines = []
    name = write(tmp_path / "a.csv", "id,n,y", *(f"r{i},{i % 7},{i % 2}" for i in range(80)))
    task = load_task(name, TaskConfig(), log=lines.append)
    assert list(task.encoding["numeric"]) == ["n"]
    assert lines[1:] == [f"{name}: left out, as there is another word or number in every row: column id"]
    name = write(tmp_path / "b.csv", "id,y", *(f"r{i},{i % 2}" for i in range(80)))
    assert load_task(name, TaskConfig()).encoding["column"] == "id"
    chinese = [chr(0x4E00 + i) + chr(0x5E00 + i) * 5 for i in range(80)]
    name = write(tmp_path / "c.csv", "a,n,y", *(f"{text},{i},{i % 2}" for i, text in enumerate(chinese)))
    assert load_task(name, TaskConfig()).encoding["reads"] == "text"


def test_a_column_called_text_is_text_whatever_it_holds(tmp_path):
    name = write(tmp_path / "a.csv", "TEXT,y", *(f"{i % 3},{i % 2}" for i in range(30)))
    assert load_task(name, TaskConfig()).kind == "tokens"


def test_quotes_commas_line_ends_byte_order_mark_and_empty_lines_are_read(tmp_path):
    rows = "".join(f'"one, ""two""\nthree",{"pq"[i % 2]}\r\n\r\n' for i in range(20))
    (tmp_path / "a.csv").write_bytes(("\ufefftext,label\r\n" + rows).encode())
    task = load_task(f"csv:{tmp_path / 'a.csv'}", TaskConfig())
    assert set(task.encoding["words"]) == {"one", ",", '"', "two", "three"}
    assert task.input_shape == (6,)


def test_max_train_bounds_train_and_validation_of_texts(tmp_path):
    name = write(tmp_path / "a.csv", "text,y", *(f"some words {i},{i % 2}" for i in range(100)))
    task = load_task(name, TaskConfig(max_train=20, validation_fraction=0.25))
    assert (len(task.train), len(task.validation), len(task.test)) == (15, 5, 20)


def test_the_test_rows_of_a_single_file_stay_the_same(tmp_path):
    name = write(tmp_path / "a.csv", "n,y", *(f"{i},{i % 2}" for i in range(100)))
    first, second = (load_task(name, TaskConfig(split_seed=seed)) for seed in (0, 1))
    tests = [t.test.x[:, 0] * t.deviation[0] + t.mean[0] for t in (first, second)]
    assert torch.allclose(*tests, atol=1e-4)


def test_a_task_with_an_encoding_can_be_hashed_compared_and_written_as_json(tmp_path):
    task = load_task(write(tmp_path / "a.csv", HEADER, *table()), TaskConfig())
    assert hash(task) == hash(task)
    assert {task: 1}[task] == 1
    assert json.loads(json.dumps(task.encoding)) == task.encoding


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([""], ["names of the columns", "got none"]),
        (["a,y"], ["rows below the header", "got none"]),
        (["only", "1", "2"], ["got only only", "separate them by commas"]),
        (["a:y", "1:2"], ["got only a:y", "separate them by commas"]),
        (["a;b;y", "1;2;p", "3;q"], ["3 fields", "got 2 in line 3"]),
        (["y,a,y", "1,2,3"], ["one column y", "got two"]),
        (["a,price", *(f"{i},{i / 7:.2f}" for i in range(40))], ["got 40 different values in 40 rows"]),
        (["a,y", "1,0", "2,NULL"], ["label in column y", "got 'NULL' in line 3 of a.csv"]),
        (["a,y", "1,2", "1,2,3"], ["2 fields", "got 3 in line 3"]),
        (["a,y", "1,2", "1"], ["2 fields", "got 1 in line 3"]),
        (["a,y", '"1,2'], ["something else (unexpected end of data) in line 2"]),
        (["a,y", "1,p", "2,"], ["label in column y", "got '' in line 3 of a.csv"]),
        (["a,y", "1,1", "2,nan"], ["label in column y", "got 'nan' in line 3 of a.csv"]),
        (["a,y", *["1,p", "2,q"] * 5, "3,rare"], ["at least 3 rows of each class", "got 1 of rare"]),
        (["a,y", *["1,p"] * 9], ["at least 2 classes in column y", "only class p"]),
        (["a,y", *["1,p", "inf,q"] * 9], ["finite numbers in column a", "got 'inf' in line 3"]),
        (["a,y", *["1,p", "1e999,q"] * 9], ["finite numbers in column a", "got '1e999' in line 3"]),
        (["a,y", *["-1e308,p", "1e308,q"] * 9], ["can be squared"]),
    ],
)
def test_a_broken_file_is_refused_in_one_line(tmp_path, lines, words):
    message = refused(write(tmp_path / "a.csv", *lines))
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (["n,c,y", "old,a,1"], ["finite numbers in column n", "'old' in line 2 of test.csv"]),
        (["n,c,y", "1,a,2"], ["labels of y_test", "got 2 beside 0, 1"]),
        (["n,c,y", "1,a,"], ["got '' in line 2 of test.csv"]),
        (["n,c", "1,a"], ["which are n, c, y, got n, c"]),
        (["n,c,y,z", "1,a,0,1"], ["got n, c, y, z"]),
        (["n,c,y", "1e300,a,1"], ["1e38 deviations"]),
    ],
)
def test_a_test_file_that_does_not_fit_train_is_refused(tmp_path, test, words):
    write(tmp_path / "train.csv", "n,c,y", *(f"{i},{'ab'[i % 2]},{i % 2}" for i in range(20)))
    write(tmp_path / "test.csv", *test)
    message = refused(f"csv:{tmp_path}")
    for word in words:
        assert word in message


def test_classes_are_refused_by_their_names(tmp_path):
    write(tmp_path / "train.csv", "n,y", "1,cat", "2,cat", "3,dog")
    write(tmp_path / "test.csv", "n,y", "1,cat")
    assert "got 1 of class dog" in refused(f"csv:{tmp_path}")
    write(tmp_path / "train.csv", "n,y", "1,cat", "2,cat", "3,dog", "4,dog")
    write(tmp_path / "test.csv", "n,y", '1,"ape\nman"')
    assert "got ape man beside cat, dog" in refused(f"csv:{tmp_path}")


def test_missing_files_and_other_bytes_are_refused(tmp_path):
    assert "no file at" in refused(f"csv:{tmp_path / 'none.csv'}")
    assert f"no file at {tmp_path / 'train.csv'}" in refused(f"csv:{tmp_path}")
    write(tmp_path / "train.csv", "a,y", "1,2")
    assert f"no file at {tmp_path / 'test.csv'}" in refused(f"csv:{tmp_path}")
    (tmp_path / "binary.csv").write_bytes(b"PK\x03\x04\x00\x00")
    assert "got binary data" in refused(f"csv:{tmp_path / 'binary.csv'}")
    (tmp_path / "other.csv").write_bytes(b"a,y\n\x81,1\n")  # no letter of Windows' either
    assert "a CSV file in UTF-8, got other bytes" in refused(f"csv:{tmp_path / 'other.csv'}")
    (tmp_path / "empty.csv").touch()
    assert "names of the columns" in refused(f"csv:{tmp_path / 'empty.csv'}")


def test_too_many_categories_are_refused_by_their_column(tmp_path):
    rows = [f"a{i % 800},b{i % 300},{i % 2}" for i in range(20_000)]
    message = refused(write(tmp_path / "a.csv", "many,some,y", *rows))
    assert "at most 1,000 categories" in message
    assert "got 1,100, 800 of them in column many" in message


@pytest.mark.parametrize("setting", [{"resolution": 8}, {"augment": "flip"}])
def test_what_is_for_images_is_refused_for_tokens(tmp_path, setting):
    name = write(tmp_path / "a.csv", "text,y", *(f"word {i},{i % 2}" for i in range(20)))
    assert "for images, and these are tokens: leave it out" in refused(name, TaskConfig(**setting))


CELL = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["1", "2.5", "", "nan", "inf", "a b c d"]
)
FIXTURE_IS_FINE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def loaded(name):
    """Return the task, or the message with which it is refused."""
    try:
        return load_task(name, TaskConfig())
    except InvalidTask as error:
        return str(error)


def quoted(*cells):
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)


@FIXTURE_IS_FINE
@given(st.lists(st.tuples(CELL, CELL, st.sampled_from("pq")), min_size=8, max_size=30), CELL, CELL)
def test_any_cells_make_a_finite_task_or_one_line(tmp_path, rows, name, other):
    write(tmp_path / "a.csv", quoted(name, other, "y"), *(quoted(*row) for row in rows))
    task = loaded(f"csv:{tmp_path / 'a.csv'}")
    if isinstance(task, str):
        assert len(task.splitlines()) == 1
    else:
        assert all(split.x.isfinite().all() for split in (task.train, task.validation, task.test))


@FIXTURE_IS_FINE
@given(st.binary(max_size=200))
def test_any_bytes_make_a_task_or_one_line(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(b"a,y\n1,p\n2,q\n" + content)
    message = refused(f"csv:{tmp_path / 'a.csv'}")
    assert message.startswith("csv:")


@FIXTURE_IS_FINE
@given(st.lists(CELL, min_size=1, max_size=20), st.integers(0, 5))
def test_the_test_rows_never_change_what_is_learnt_and_ids_stay_in_the_vocabulary(tmp_path, texts, seed):
    words = np.random.default_rng(seed).choice(["to", "be", "or", "not"], (20, 3))
    write(tmp_path / "train.csv", "text,y", *(f"{' '.join(row)},{i % 2}" for i, row in enumerate(words)))
    encodings = []
    for cells in (texts, ["to be"]):
        write(tmp_path / "test.csv", "text,y", *(quoted(cell, "1") for cell in cells))
        task = load_task(f"csv:{tmp_path}", TaskConfig())
        encodings.append(task.encoding)
        for split in (task.train, task.validation, task.test):
            assert 0 <= split.x.min() <= split.x.max() < task.vocabulary
            assert (split.x[:, 0] != PADDING).all()
    assert encodings[0] == encodings[1]


@FIXTURE_IS_FINE
@given(st.lists(CELL, min_size=1, max_size=20))
def test_unknown_categories_never_raise_and_never_change_what_is_learnt(tmp_path, cells):
    write(tmp_path / "train.csv", "c,y", *(f"{'abc'[i % 3]},{i % 2}" for i in range(24)))
    write(tmp_path / "test.csv", "c,y", *(quoted(cell, "1") for cell in cells))
    task = load_task(f"csv:{tmp_path}", TaskConfig())
    assert task.encoding["categorical"] == {"c": ["a", "b", "c"]}
    assert len(task.test) == len(cells)


def test_a_class_that_is_called_like_a_gap_is_named(tmp_path):
    lines = []
    rows = [f"{i},{('none', 'mild', 'N/A')[i % 3]}" for i in range(30)]
    task = load_task(write(tmp_path / "a.csv", "size,label", *rows), TaskConfig(), log=lines.append)
    assert task.encoding["classes"] == ["N/A", "mild", "none"]
    assert "; N/A, none are classes like others: drop their rows if they stand for no label" in lines[0]
