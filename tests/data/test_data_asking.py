"""Files that a grown network is asked about: with labels or without."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.asking import ask
from mse_rl.data.pixels import with_channels
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidTask

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def write(path, *lines):
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("\n".join(lines) + "\n")
    return f"csv:{path}"


def reader_of(name, **settings):
    return InputReader.of_record(load_task(name, TaskConfig(**settings)).record)


def refused(name, reader, **settings):
    with pytest.raises(InvalidTask) as caught:
        ask(name, TaskConfig(**settings), "test", reader)
    assert "\n" not in str(caught.value)
    return str(caught.value)


ROWS = [f"{i},{'red' if i % 2 else 'blue'},{'ab'[i % 2]}" for i in range(40)]


@pytest.fixture
def of_table(tmp_path):
    return reader_of(write(tmp_path / "grown.csv", "size,colour,kind", *ROWS))


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_file_of_training_is_split_as_it_was(tmp_path, of_table, split):
    name = f"csv:{tmp_path / 'grown.csv'}"
    task = load_task(name, TaskConfig())
    asked = ask(name, TaskConfig(), split, of_table)
    assert len(asked.labels) == (8 if split == "test" else 32)
    if split == "test":
        assert torch.equal(of_table(asked.inputs), task.test.x)
        assert [task.encoding["classes"].index(label) for label in asked.labels] == task.test.y.tolist()


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["size,colour", "3,red", "4,blue"], None),
        (["colour;size", "red;3", "blue;4"], None),
        (["id,size,colour", "1,3,red", "2,4,blue"], None),
        (["size,colour,id", "3,red,1", "4,blue,2"], None),
        (["size,colour,kind", "3,red,", "4,blue,"], None),
        (["size,colour,kind", "3,red,?", "4,blue,NA"], None),
        (["size,colour,kind", "3,red,a", "4,blue,b"], ["a", "b"]),
        (["class,size,colour", "a,3,red", "a,4,blue"], ["a", "a"]),
        (["size,Class,colour", "3,z,red", "4,b,blue"], ["z", "b"]),
    ],
)
def test_rows_have_labels_where_the_file_has_them(tmp_path, of_table, lines, labels):
    asked = ask(write(tmp_path / "asked.csv", *lines), TaskConfig(), "test", of_table)
    expected = of_table([{"size": "3", "colour": "red"}, {"size": "4", "colour": "blue"}])
    assert torch.equal(of_table(asked.inputs), expected)
    assert asked.labels == labels


def test_the_last_column_has_labels_if_there_is_a_class_in_it_however_it_is_written(tmp_path):
    reader = reader_of(write(tmp_path / "grown.csv", "size,kind", *(f"{i},{i % 2}" for i in range(40))))
    for last, labels in (("1.0", ["1"]), ("7", None), ("", None)):
        asked = ask(write(tmp_path / "asked.csv", "size,kind", f"3,{last}"), TaskConfig(), "test", reader)
        assert asked.labels == labels


def test_a_file_that_no_network_can_have_learnt_from_is_read_as_a_whole(tmp_path, of_table):
    for rows in (ROWS[:5], ROWS[::2]):  # two of a class; one class
        name = write(tmp_path / "asked.csv", "size,colour,kind", *rows)
        assert len(ask(name, TaskConfig(), "test", of_table).labels) == len(rows)


def test_a_folder_of_tables_needs_labels_in_none_of_them(tmp_path, of_table):
    write(tmp_path / "both" / "train.csv", "size,colour,kind", *ROWS)
    write(tmp_path / "both" / "test.csv", "size,colour", "3,red")
    for split, count in (("train", 40), ("test", 1)):
        asked = ask(f"csv:{tmp_path / 'both'}", TaskConfig(), split, of_table)
        assert (len(asked.inputs), asked.labels is None) == (count, split == "test")


def test_what_is_wrong_with_a_table_is_one_line(tmp_path, of_table):
    assert "expected a label in column kind of each row, got '' in line 3" in refused(
        write(tmp_path / "some.csv", "size,colour,kind", "3,red,a", "4,blue,"), of_table
    )
    name = write(tmp_path / "none.csv", "size,colour", "3,red")
    assert "expected the name or number of a column" in refused(name, of_table, label="kind")
    assert "got no file" in refused(f"csv:{tmp_path / 'nowhere.csv'}", of_table)
    np.savez(tmp_path / "a.npz", x_train=np.eye(9, 4), y_train=np.arange(9) % 3, x_test=np.eye(9, 4),
             y_test=np.arange(9) % 3)  # fmt: skip
    assert "expected vector inputs, got a table" in refused(name, reader_of(f"npz:{tmp_path / 'a.npz'}"))


TEXTS = [f"{'the sun, the sea' if i % 2 else 'a bolt; a nut'} {i},{'ab'[i % 2]}" for i in range(40)]


@pytest.mark.parametrize(
    "lines",
    [
        ["text", "the sun, the sea", "a bolt; a nut"],
        ['"text"', '"the sun, the sea"', '"a bolt; a nut"'],
        ["text", "", "the sun, the sea", "", "a bolt; a nut"],
        ["n;text", "1;the sun, the sea", '2;"a bolt; a nut"'],
    ],
)
def test_texts_may_be_all_that_a_file_holds(tmp_path, lines):
    rows = [f'"{text}",{label}' for text, label in (line.rsplit(",", 1) for line in TEXTS)]
    reader = reader_of(write(tmp_path / "grown.csv", "text,kind", *rows))
    asked = ask(write(tmp_path / "asked.csv", *lines), TaskConfig(), "test", reader)
    assert torch.equal(reader(asked.inputs), reader(["the sun, the sea", "a bolt; a nut"]))
    assert asked.labels is None


def test_one_column_of_numbers_may_be_all_that_a_file_holds(tmp_path):
    reader = reader_of(write(tmp_path / "grown.csv", "size,kind", *(f"{i},{'ab'[i % 2]}" for i in range(40))))
    asked = ask(write(tmp_path / "asked.csv", "size", "3", "4,5"), TaskConfig(), "test", reader)
    assert [row["size"] for row in asked.inputs] == ["3", "4,5"]


X, Y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 3


@pytest.fixture
def of_arrays(tmp_path):
    np.savez(tmp_path / "grown.npz", x_train=X, y_train=Y, x_test=X, y_test=Y)
    return reader_of(f"npz:{tmp_path / 'grown.npz'}")


@pytest.mark.parametrize(
    ("arrays", "labels"),
    [
        ({"x": X}, None),
        ({"x_test": X, "x_train": X[:2]}, None),
        ({"x": X[:1], "x_test": X, "y_test": Y}, Y),
        ({"x": X, "y": Y.astype(float)}, Y),
        ({"x": X, "y": Y > 1}, Y > 1),
    ],
)
def test_arrays_need_no_labels(tmp_path, of_arrays, arrays, labels):
    np.savez(tmp_path / "asked.npz", **arrays)
    asked = ask(f"npz:{tmp_path / 'asked.npz'}", TaskConfig(), "test", of_arrays)
    assert torch.equal(of_arrays(asked.inputs), of_arrays(X))
    assert asked.labels == (None if labels is None else [str(label) for label in labels])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X, "y": Y}, "expected the key x_test or x in"),
        ({"x": X, "y": Y[:3]}, "got 30 in x and 3 in y"),
        ({"x": X, "y": Y / 2}, "expected whole numbers in y"),
    ],
)
def test_what_is_wrong_with_arrays_is_one_line(tmp_path, of_arrays, arrays, message):
    np.savez(tmp_path / "asked.npz", **arrays)
    assert message in refused(f"npz:{tmp_path / 'asked.npz'}", of_arrays)


def paint(root, counts):
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (10, 8), COLOURS.get(name, (9, 9, 9))).save(root / name / f"{i}.png")


@pytest.fixture
def of_images(tmp_path):
    paint(tmp_path / "grown", dict.fromkeys(COLOURS, 10))
    return reader_of(f"folder:{tmp_path / 'grown'}")


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_folder_of_training_is_split_as_it_was(tmp_path, of_images, split):
    name = f"folder:{tmp_path / 'grown'}"
    asked = ask(name, TaskConfig(), split, of_images)
    assert len(asked.files) == (6 if split == "test" else 24)
    assert all(file.startswith(f"{label}/") for file, label in zip(asked.files, asked.labels, strict=True))
    if split == "test":
        assert torch.equal(of_images(asked.inputs, white=255), load_task(name, TaskConfig()).test.x)


def test_images_without_class_folders_have_no_labels(tmp_path, of_images):
    for root in (tmp_path / "flat", tmp_path / "nested" / "batch 1", tmp_path / "kaggle" / "Test"):
        root.mkdir(parents=True)
        for name, colour in COLOURS.items():
            Image.new("RGB", (20, 16), colour).save(root / f"{name}.png")
        (root / "Thumbs.db").touch()
        (root / "._red.png").touch()
    paint(tmp_path / "kaggle" / "train", dict.fromkeys(COLOURS, 10))
    for top, prefix in (("flat", ""), ("nested", "batch 1/"), ("kaggle", "Test/")):
        asked = ask(f"folder:{tmp_path / top}", TaskConfig(), "test", of_images)
        assert asked.labels is None
        assert asked.files == [f"{prefix}{name}.png" for name in COLOURS]
        assert asked.inputs[:, :, 0, 0].argmax(1).tolist() == [2, 1, 0]


def test_class_folders_are_labels_however_few_images_there_are(tmp_path, of_images):
    paint(tmp_path / "few", {"red": 2, "green": 1})
    (tmp_path / "few" / "blue").mkdir()
    asked = ask(f"folder:{tmp_path / 'few'}", TaskConfig(), "test", of_images)
    assert asked.labels == ["green", "red", "red"]
    shutil.rmtree(tmp_path / "few" / "green")
    assert ask(f"folder:{tmp_path / 'few'}", TaskConfig(), "test", of_images).labels == ["red", "red"]


def test_the_folders_of_splits_are_read_as_in_training(tmp_path, of_images):
    for split, count in (("train", 5), ("test", 2), ("val", 3)):
        paint(tmp_path / "split" / split, dict.fromkeys(COLOURS, count))
    for split, count in (("test", 6), ("train", 24)):
        assert len(ask(f"folder:{tmp_path / 'split'}", TaskConfig(), split, of_images).labels) == count


def test_what_is_wrong_with_a_folder_is_one_line(tmp_path, of_images, of_arrays):
    (tmp_path / "empty").mkdir()
    assert "expected images in" in refused(f"folder:{tmp_path / 'empty'}", of_images)
    assert "got no folder" in refused(f"folder:{tmp_path / 'none'}", of_images)
    assert "expected vector inputs, got images" in refused(f"folder:{tmp_path / 'grown'}", of_arrays)
    (tmp_path / "empty" / "a.png").write_bytes(b"no image")
    assert f"replace {tmp_path / 'empty' / 'a.png'}" in refused(f"folder:{tmp_path / 'empty'}", of_images)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "red").symlink_to(tmp_path / "grown" / "red")
    assert "`follow_links`" in refused(f"folder:{tmp_path / 'linked'}", of_images)


def test_what_is_read_of_a_file_and_where_its_labels_are_is_said(tmp_path, of_table):
    asked = ask(f"csv:{tmp_path / 'grown.csv'}", TaskConfig(), "test", of_table)
    assert list(asked.notes) == [
        "labels are read from column kind",
        "read 8 of 40 samples, the test split: `split` train has the others",
    ]


def test_a_last_column_of_other_words_is_no_label(tmp_path, of_table):
    name = write(tmp_path / "more.csv", "size,colour,note", "3,red,a", "4,blue,later", "5,red,")
    asked = ask(name, TaskConfig(), "test", of_table)
    assert (asked.labels, list(asked.notes)) == (None, [])


def test_grey_images_of_three_equal_channels_are_read_by_a_network_of_one():
    grey = np.arange(128, dtype=np.uint8).reshape(2, 1, 8, 8)
    assert np.array_equal(with_channels(np.repeat(grey, 3, axis=1), 1, 255), grey)
    coloured = np.arange(384).reshape(2, 3, 8, 8)
    assert with_channels(coloured, 1, 255) is coloured
