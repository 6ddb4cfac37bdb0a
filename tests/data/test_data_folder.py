import os
import shutil
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.data.folder import folder
from mse_rl.data.image_file import read_image
from mse_rl.data.reader import InputReader
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
        f"folder:{tmp_path}: 3 classes, blue, green, red",
        f"folder:{tmp_path}: images are resized to 10x8, as 0.png is: `resolution` names a size",
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
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(resolution=6), log=lines.append)
    assert task.input_shape == (3, 6, 6)
    assert len(task.train) + len(task.validation) + len(task.test) == 9
    assert lines[1:] == [
        f"folder:{tmp_path}: left out, as hidden or no images of a class: red/notes.txt (1 in all)"
    ]


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
    lines = []
    with pytest.raises(InvalidTask, match="at least 2 classes"):
        load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert lines[0].endswith(": 1 class, red")


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


def test_what_programs_leave_behind_is_left_out_and_named(tmp_path):
    paint(tmp_path, {"red": 6, "green": 6})
    bare = load_task(f"folder:{tmp_path}", TaskConfig())
    for hidden in ("red/.ipynb_checkpoints/0-checkpoint.png", "__MACOSX/red/._0.png", ".git/logo.png"):
        (tmp_path / hidden).parent.mkdir(parents=True)
        Image.new("RGB", (10, 8)).save(tmp_path / hidden)
    for file in ("red/._0.png", ".DS_Store", "green/Thumbs.db", "overview.png"):
        (tmp_path / file).write_bytes(b"no image")
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert torch.equal(task.test.x, bare.test.x)
    assert torch.equal(task.train.x, bare.train.x)
    assert lines[1].endswith(": .DS_Store, .git, __MACOSX, … (7 in all)")


@pytest.mark.parametrize("names", [("train", "test", "other"), ("Training", "TESTING", "other")])
def test_a_folder_beside_train_and_test_is_named(tmp_path, names):
    for name, count in zip(names, (5, 2, 2), strict=True):
        paint(tmp_path / name, {"red": count, "green": count})
    lines = []
    assert len(load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append).test) == 4
    assert lines[1].endswith(": other (1 in all)")


def test_a_validation_folder_is_train_beside_a_test_folder_and_the_test_without_one(tmp_path):
    for name, count in {"train": 5, "test": 3, "Val": 2}.items():
        paint(tmp_path / name, {"red": count, "green": count})
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert (len(task.train) + len(task.validation), len(task.test)) == (14, 6)
    assert "Val is part of train" in lines[1]
    shutil.rmtree(tmp_path / "test")
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert (len(task.train) + len(task.validation), len(task.test)) == (10, 4)
    assert "Val is the test split" in lines[-2]


def test_images_right_in_train_and_test_are_no_classes(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
        for i in range(4):
            Image.new("RGB", (4, 4)).save(tmp_path / name / f"cat.{i}.png")
    assert "one folder per class" in refused(f"folder:{tmp_path}")


def test_a_folder_around_all_others_is_looked_into(tmp_path):
    paint(tmp_path / "archive" / "PetImages", {"red": 5, "green": 5})
    (tmp_path / "__MACOSX" / "archive").mkdir(parents=True)
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert task.encoding["classes"] == ["green", "red"]
    assert lines[0].endswith("read from the only folder within, archive/PetImages")


def test_names_that_look_the_same_are_the_same_class_and_other_bytes_are_written_out(tmp_path):
    paint(tmp_path / "train", {"red": 5, "green": 5})
    paint(tmp_path / "test", {"red": 2, "green": 2})
    (tmp_path / "train" / "red").rename(tmp_path / "train" / "caf\u00e9")
    (tmp_path / "test" / "red").rename(tmp_path / "test" / "cafe\u0301")
    for split in ("train", "test"):
        (tmp_path / split / "green").rename(tmp_path / split / os.fsdecode(b"gr\xfcn"))
    assert load_task(f"folder:{tmp_path}", TaskConfig()).encoding["classes"] == ["caf\u00e9", r"gr\xfcn"]


def test_all_broken_images_are_named_at_once(tmp_path):
    paint(tmp_path, {"red": 5, "green": 5})
    for name in ("green/0.png", "green/2.png", "red/4.png"):
        (tmp_path / name).write_bytes(b"")
    message = refused(f"folder:{tmp_path}")
    assert all(str(tmp_path / name) in message for name in ("green/0.png", "green/2.png", "red/4.png"))


def test_large_images_are_made_smaller(tmp_path):
    paint(tmp_path, {"red": 3, "green": 3}, size=(300, 30))
    lines = []
    task = load_task(f"folder:{tmp_path}", TaskConfig(), log=lines.append)
    assert task.input_shape == (3, 26, 256)
    assert "images are resized to 256x26, as 0.png is 300x30" in lines[-1]


STRIPES = np.kron(np.arange(16).reshape(4, 4) * 17, np.ones((2, 2))).astype(np.uint8)  # (8, 8), 0 to 255


def as_saved(path, image, **options):
    image.save(path, **options)
    return read_image(path)


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [(".png", "<u2"), (".pgm", "<u2"), (".tiff", "<u2"), (".tiff", ">u2"), (".jp2", "<u2")],
)
def test_images_of_more_bits_read_as_those_of_8(tmp_path, suffix, dtype):
    grey = as_saved(tmp_path / "8.png", Image.fromarray(STRIPES))
    values = (STRIPES * 257.0).astype(dtype)
    deep = as_saved(tmp_path / f"16{suffix}", Image.fromarray(values))
    assert deep.dtype == np.float32
    assert np.allclose(deep, grey, atol=1e-4)


def test_16_bits_are_not_rounded_to_8(tmp_path):
    values = np.arange(64, dtype=np.uint16).reshape(8, 8)
    assert len(np.unique(as_saved(tmp_path / "a.png", Image.fromarray(values)))) == 64


def test_a_transparent_grey_of_16_bits_is_white(tmp_path):
    deep = Image.fromarray(STRIPES.astype(np.uint16) * 257)
    pixels = as_saved(tmp_path / "clear.png", deep, transparency=0)
    assert np.allclose(pixels[:, :, 0], np.where(STRIPES, STRIPES, 255), atol=1e-3)


@pytest.mark.parametrize(("scale", "expected"), [(1 / 255, 1), (1.0, 1), (10.0, 10)])
def test_floats_are_shares_of_white_if_all_of_them_can_be(tmp_path, scale, expected):
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(STRIPES).save(tmp_path / name / "grey.png")
        for i in range(4):
            Image.fromarray((STRIPES * scale).astype(np.float32)).save(tmp_path / name / f"{i}.TIFF")
    raw = folder(str(tmp_path), TaskConfig())
    images = np.concatenate([raw.x_train, raw.x_test])
    largest = images.reshape(len(images), -1).max(axis=1)
    assert sorted(largest.round(3).tolist()) == sorted([255.0] * 2 + [255.0 * expected] * 8)


@pytest.mark.parametrize(("scale", "unit"), [(1, 1), (257, 257), (2**22, 257)])
@pytest.mark.parametrize("signed", [True, False])
def test_whole_numbers_of_32_bits_have_16_if_8_do_not_hold_all_of_them(tmp_path, scale, unit, signed):
    for name in "ab":
        (tmp_path / name).mkdir()
        for i in range(5):
            values = (STRIPES * (i > 0)).astype(np.int64) * scale * (1 if signed else 4)
            file = tmp_path / name / f"{i}.tif"
            Image.fromarray(values.astype(np.uint32).view(np.int32)).save(file)
            if not signed:
                set_tag(file, 339, 1)
    raw = folder(str(tmp_path), TaskConfig())
    images = np.concatenate([raw.x_train, raw.x_test])
    largest = 255 * scale * (1 if signed else 4)
    expected = largest if largest <= 255 else largest / 257
    assert images.max() == pytest.approx(expected, rel=1e-6)
    assert images.min() == 0
    reader = InputReader.of_record(load_task(f"folder:{tmp_path}", TaskConfig()).record)
    assert torch.allclose(reader([values] * 2), reader(np.full((1, 3, 8, 8), values / largest * expected)))


def set_tag(file, tag, value):
    """Change the value of a short tag of a TIFF file."""
    content = bytearray(file.read_bytes())
    (start,) = struct.unpack("<I", content[4:8])
    (count,) = struct.unpack("<H", content[start : start + 2])
    entries = range(start + 2, start + 2 + 12 * count, 12)
    place = next(entry for entry in entries if struct.unpack("<H", content[entry : entry + 2]) == (tag,))
    content[place + 8 : place + 10] = struct.pack("<H", value)
    file.write_bytes(content)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16])
def test_a_tiff_of_which_zero_is_white_is_read_as_it_is_seen(tmp_path, dtype):
    most = 1 if dtype is bool else np.iinfo(dtype).max
    values = (STRIPES > 99 if dtype is bool else STRIPES * (most / 255)).astype(dtype)
    Image.fromarray(values).save(tmp_path / "a.tif")
    set_tag(tmp_path / "a.tif", 262, 0)
    assert np.allclose(read_image(tmp_path / "a.tif")[:, :, 0], 255 - values * (255.0 / most), atol=1e-3)


def test_floats_of_which_zero_is_white_are_refused(tmp_path):
    Image.fromarray((STRIPES / 255).astype(np.float32)).save(tmp_path / "a.tif")
    set_tag(tmp_path / "a.tif", 262, 0)
    with pytest.raises(InvalidTask, match=r"of which 0 is black, got white: save .*a.tif again, inverted"):
        read_image(tmp_path / "a.tif")


def png(file, depth, kind, rows, clear=b""):
    """Write a PNG file of a depth and kind of colour that Pillow does not write."""
    head = struct.pack(">IIBBBBB", 8, 8, depth, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), *([(b"tRNS", clear)] if clear else [])]
    chunks += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


DEEP_ROWS = (STRIPES.astype(np.uint16) * 257).astype(">u2")[:, :, None]
NIBBLES = STRIPES // 17
OVER_WHITE = np.where(STRIPES, STRIPES, 255)


@pytest.mark.parametrize(
    ("depth", "kind", "rows", "clear", "expected"),
    [
        (16, 2, np.repeat(DEEP_ROWS, 3, axis=2), b"", STRIPES),
        (16, 2, np.repeat(DEEP_ROWS, 3, axis=2), bytes(6), OVER_WHITE),
        (16, 4, np.concatenate([DEEP_ROWS, DEEP_ROWS * 0 + 65_535], axis=2), b"", STRIPES),
        (16, 4, np.repeat(DEEP_ROWS * 0, 2, axis=2), b"", STRIPES * 0 + 255),
        (8, 0, STRIPES, bytes(2), OVER_WHITE),
        (4, 0, NIBBLES[:, ::2] << 4 | NIBBLES[:, 1::2], b"", STRIPES),
        (4, 0, NIBBLES[:, ::2] << 4 | NIBBLES[:, 1::2], bytes(2), OVER_WHITE),
    ],
)
def test_a_png_of_any_depth_is_read_as_it_is_seen(tmp_path, depth, kind, rows, clear, expected):
    rows = rows.astype(">u2" if depth == 16 else np.uint8)
    png(tmp_path / "a.png", depth, kind, [row.tobytes() for row in rows], clear)
    assert (read_image(tmp_path / "a.png") == expected[:, :, None]).all()


@pytest.mark.parametrize("most", [15, 255, 4095, 65_535])
def test_a_pgm_says_what_white_is(tmp_path, most):
    values = (STRIPES / 255 * most).round().astype(">u2" if most > 255 else "u1")
    (tmp_path / "a.pgm").write_bytes(b"P5 8 8 %d\n" % most + values.tobytes())
    assert np.allclose(read_image(tmp_path / "a.pgm")[:, :, 0], STRIPES, atol=0.05)


def test_a_float_that_is_none_is_refused_by_its_file(tmp_path):
    paint(tmp_path, {"red": 5, "green": 5})
    Image.fromarray(np.full((8, 10), np.nan, np.float32)).save(tmp_path / "red" / "bad.tif")
    assert f"replace {tmp_path / 'red' / 'bad.tif'}" in refused(f"folder:{tmp_path}")


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_what_is_transparent_is_white_and_the_rest_as_it_was(tmp_path, mode):
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    image.paste((51, 51, 51, 255), (0, 0, 4, 8))
    pixels = as_saved(tmp_path / "a.png", image.convert(mode))
    assert (pixels[:, :4] == 51).all()
    assert (pixels[:, 4:] == 255).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_a_colour_is_the_same_in_every_mode(tmp_path, mode):
    white = Image.new("RGB", (8, 8), "white")
    image = Image.new("LAB", (8, 8), (255, 128, 128)) if mode == "LAB" else white.convert(mode)
    pixels = as_saved(tmp_path / "a.tiff", image)
    assert (pixels.dtype, pixels.shape) == (np.uint8, (8, 8, 3))
    assert pixels.min() >= 253


def test_a_photo_stands_upright_as_its_exif_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    wide = Image.new("RGB", (10, 4))
    wide.paste("white", (0, 0, 5, 4))
    pixels = as_saved(tmp_path / "a.jpg", wide, exif=exif)
    assert pixels.shape == (10, 4, 3)
    assert pixels[:4].min() > 250 > 5 > pixels[-4:].max()


def test_an_image_that_claims_too_many_pixels_is_named(tmp_path):
    paint(tmp_path, {"red": 5, "green": 5})
    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", b""), (b"IEND", b"")]
    content = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (tmp_path / "red" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    message = refused(f"folder:{tmp_path}")
    assert "at most 178,956,970 pixels" in message
    assert str(tmp_path / "red" / "bomb.png") in message


def test_an_image_of_far_more_pixels_than_bytes_is_named(tmp_path, monkeypatch):
    """The bound of what is always decoded is lowered here, to spare the memory."""
    monkeypatch.setattr("mse_rl.data.image_file.MOST_SMALL_PIXELS", 10_000)
    paint(tmp_path, {"red": 5, "green": 5})
    Image.new("L", (300, 300)).save(tmp_path / "red" / "bomb.png")
    message = refused(f"folder:{tmp_path}")
    assert "at most 10,000 pixels, or 16 for each byte, got 90,000" in message
    assert str(tmp_path / "red" / "bomb.png") in message


def test_images_that_all_become_as_large_as_the_first_are_bounded_unless_a_resolution_is_set(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("mse_rl.data.folder.MOST_SMALL", 2**20)
    paint(tmp_path, {"red": 5, "green": 5})
    Image.new("L", (500, 500)).save(tmp_path / "green" / "0.png")
    assert "set `resolution`" in refused(f"folder:{tmp_path}")
    assert load_task(f"folder:{tmp_path}", TaskConfig(resolution=8)).input_shape == (3, 8, 8)


def test_what_is_no_image_is_not_run_whatever_it_is_called(tmp_path):
    """Pillow hands PostScript to another program."""
    paint(tmp_path, {"red": 5, "green": 5})
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(ran) (w) file closefile\n%%EOF\n"
    (tmp_path / "red" / "script.png").write_bytes(script)
    assert f"replace {tmp_path / 'red' / 'script.png'}" in refused(f"folder:{tmp_path}")


def test_a_class_that_is_a_link_out_of_the_folder_is_followed_only_by_choice(tmp_path):
    inside, outside = tmp_path / "images", tmp_path / "outside"
    paint(inside, {"red": 5})
    paint(outside, {"green": 5})
    (inside / "green").symlink_to(outside / "green")
    message = refused(f"folder:{inside}")
    assert str(inside / "green") in message
    assert "`follow_links`" in message
    assert load_task(f"folder:{inside}", TaskConfig(follow_links=True)).classes == 2
    (inside / "green").unlink()
    (outside / "green").rename(inside / "verdant")
    (inside / "verdant").rename(inside / "red" / "nested")
    (inside / "green").symlink_to("red/nested")
    assert load_task(f"folder:{inside}", TaskConfig()).classes == 2
