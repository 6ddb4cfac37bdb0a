import numpy as np
import pytest
import torch
from PIL import Image

from mse_rl.config import TaskConfig
from mse_rl.data import load_task
from mse_rl.errors import InvalidTask

COLOURS = {"blue": (0, 0, 255), "green": (0, 255, 0), "red": (255, 0, 0)}


def paint(root, counts, size=(10, 8)):
    for name, count in counts.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, COLOURS[name]).save(root / name / f"{i}.png")


def refused(name):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, TaskConfig())
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_train_and_test_folders_are_read_by_class(tmp_path):
    paint(tmp_path / "train", {"red": 5, "green": 6, "blue": 7})
    paint(tmp_path / "test", {"red": 2, "blue": 1})
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert (task.kind, task.classes, task.input_shape) == ("image", 3, (3, 8, 10))
    assert len(task.train) + len(task.validation) == 18
    assert task.test.y.tolist() == [0, 2, 2]
    assert task.test.x[:, :, 0, 0].argmax(1).tolist() == [2, 0, 0]  # blue is blue, red is red
    assert lines == [
        f"folder:{tmp_path}: images are resized to 10x8, as 0.png is: set resolution to choose",
    ]


def test_without_a_test_folder_a_fifth_is_held_out_and_stays_the_same(tmp_path):
    paint(tmp_path, {"red": 10, "green": 20})
    first, second = (load_task(f"folder:{tmp_path}", TaskConfig(split_seed=seed)) for seed in (0, 1))
    assert first.test.y.bincount().tolist() == [4, 2]
    assert len(first.train) + len(first.validation) == 24
    assert torch.equal(first.test.y, second.test.y)


def test_sizes_modes_and_nested_folders_are_brought_together(tmp_path):
    paint(tmp_path, {"red": 3, "green": 4})
    (tmp_path / "red" / "more").mkdir()
    Image.new("L", (31, 17), 200).save(tmp_path / "red" / "more" / "grey.JPG")
    Image.new("RGBA", (5, 5)).save(tmp_path / "red" / "alpha.png")
    (tmp_path / "red" / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden").mkdir()
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(resolution=6), log=lines.append)
    assert task.input_shape == (3, 6, 6)
    assert len(task.train) + len(task.validation) + len(task.test) == 9
    assert lines == []


def test_a_class_named_train_is_a_class(tmp_path):
    paint(tmp_path, {"red": 3, "green": 4})
    (tmp_path / "red").rename(tmp_path / "train")
    assert load_task(f"folder:{tmp_path}", TaskConfig()).classes == 2


def test_a_missing_folder_is_refused(tmp_path):
    assert f"no folder at {tmp_path / 'none'}" in refused(f"folder:{tmp_path / 'none'}")


def test_a_folder_without_classes_is_refused(tmp_path):
    (tmp_path / "a.png").touch()
    assert "one folder per class" in refused(f"folder:{tmp_path}")


def test_one_class_is_refused(tmp_path):
    paint(tmp_path, {"red": 5})
    assert "at least 2 classes" in refused(f"folder:{tmp_path}")


def test_train_without_test_is_refused(tmp_path):
    paint(tmp_path / "train", {"red": 5, "green": 5})
    assert "both train and test" in refused(f"folder:{tmp_path}")


def test_a_class_without_images_is_refused(tmp_path):
    paint(tmp_path, {"red": 5, "green": 0})
    assert f"images in {tmp_path / 'green'}, got none" in refused(f"folder:{tmp_path}")


def test_a_class_too_small_to_split_is_refused(tmp_path):
    paint(tmp_path, {"red": 5, "green": 2})
    message = refused(f"folder:{tmp_path}")
    assert "at least 3 images of each class" in message
    assert "green" in message


def test_a_test_class_that_training_lacks_is_refused(tmp_path):
    paint(tmp_path / "train", {"red": 5, "green": 5})
    paint(tmp_path / "test", {"red": 5, "blue": 5})
    assert "got blue beside green, red" in refused(f"folder:{tmp_path}")


def test_a_broken_image_is_named(tmp_path):
    paint(tmp_path, {"red": 5, "green": 5})
    np.zeros(10).tofile(tmp_path / "green" / "2.png")
    assert f"replace {tmp_path / 'green' / '2.png'}" in refused(f"folder:{tmp_path}")
