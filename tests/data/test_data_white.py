"""Images in other units than those of training are brought to them."""

import numpy as np
import pytest
import torch
from PIL import Image

from mse_rl.config.training import TaskConfig
from mse_rl.data import Task, load_task
from mse_rl.data.image_file import read_image
from mse_rl.data.reader import InputReader
from mse_rl.errors import InvalidTask

RNG = np.random.default_rng(0)
DEEP = RNG.integers(0, 65_536, (20, 8, 6), dtype=np.uint16)
LABELS = np.arange(20) % 2


def reader_of(x, **settings):
    task = Task.from_arrays(x, LABELS, config=TaskConfig(input="image", **settings))
    return InputReader.of_record(task.record)


@pytest.fixture
def of_files(tmp_path):
    """The reader of a child of grey images of 16 bits, and what it has to read of them."""
    for i, image in enumerate(DEEP):
        (tmp_path / f"{i % 2}").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"{i % 2}" / f"{i:02}.png")
    files = sorted(tmp_path.glob("*/*.png"), key=lambda file: file.name)
    reader = InputReader.of_record(load_task(f"folder:{tmp_path}", TaskConfig()).record)
    pixels = np.array([read_image(file) for file in files])
    return reader, reader(pixels, white=255)


@pytest.mark.parametrize(
    "given",
    [
        DEEP,
        DEEP[:, None],
        DEEP[:, :, :, None],
        np.repeat(DEEP[:, None], 3, axis=1),
        DEEP.astype(np.int32),
        DEEP.astype(np.uint32),
        DEEP.tolist(),
        DEEP / 65_535,
        DEEP / 257,
        (DEEP / 65_535).astype(np.float32),
        torch.from_numpy(DEEP.astype(np.int32)),
    ],
)
def test_a_child_of_files_of_16_bits_reads_arrays_of_any_units_as_the_files(of_files, given):
    reader, expected = of_files
    torch.testing.assert_close(reader(given), expected, atol=1e-5, rtol=1e-4)


def test_dark_images_of_16_bits_are_of_16_bits(of_files):
    reader, _ = of_files
    dark = (DEEP % 200).astype(np.uint16)
    torch.testing.assert_close(reader(dark), reader(dark / 257, white=255), atol=1e-5, rtol=1e-4)


def test_what_is_transparent_is_laid_over_white_as_in_a_file(of_files, tmp_path):
    reader, _ = of_files
    image = Image.fromarray(RNG.integers(0, 256, (8, 6, 4), dtype=np.uint8))
    image.save(tmp_path / "clear.png")
    file = reader(read_image(tmp_path / "clear.png")[None])
    torch.testing.assert_close(reader(np.asarray(image)[None]), file, atol=0.01, rtol=0)


BYTES = RNG.integers(0, 256, (20, 8, 6), dtype=np.uint8)
SHARES = BYTES / 255
UNITS = {
    "bytes": BYTES,
    "lists": BYTES.tolist(),
    "16 bits": BYTES.astype(np.uint16) * 257,
    "shares": SHARES,
    "halves": SHARES.astype(np.float16),
}


TELLING = [
    *((trained, given) for trained in ("bytes", "shares") for given in UNITS),
    *(("16 bits", given) for given in UNITS if given != "lists"),
]


@pytest.mark.parametrize(("trained", "given"), TELLING)
def test_arrays_are_brought_to_the_units_of_training(trained, given):
    reader = reader_of(UNITS[trained])
    torch.testing.assert_close(reader(UNITS[given]), reader(UNITS[trained]), atol=5e-3, rtol=0)


def test_whole_numbers_of_no_type_are_in_the_units_of_16_bits_if_training_was():
    """They may be dark images."""
    reader = reader_of(UNITS["16 bits"])
    assert torch.equal(reader(BYTES.tolist()), reader(BYTES.astype(np.uint16)))


@pytest.mark.parametrize(
    ("x", "white"),
    [
        (BYTES, 255),
        (DEEP, 65_535),
        (DEEP % 200, None),
        (BYTES.astype(np.int64), None),
        (BYTES.astype(float), None),
        (SHARES, 1),
        (BYTES > 99, 1),
        ((BYTES > 99).astype(np.uint8), 1),
        (SHARES - 0.5, None),
    ],
)
def test_what_white_is_is_recorded_where_it_is_known(x, white):
    assert reader_of(x).white == white


def test_masks_are_masks_in_every_dtype_and_what_is_not_known_stays_as_it_is():
    masks = BYTES > 99
    reader = reader_of(masks)
    expected = reader(masks)
    for given in (masks.astype(np.uint8), masks.astype(float), masks.tolist(), masks * np.uint8(255)):
        assert torch.equal(reader(given), expected)
    for x in (DEEP % 200, BYTES.astype(float)):
        reader = reader_of(x)
        for dtype in (np.float64, np.int64, np.uint16):
            torch.testing.assert_close(reader(x), reader(x.astype(dtype)))


def test_a_record_of_an_earlier_version_reads_as_it_did():
    record = Task.from_arrays(BYTES, LABELS).record
    del record["encoding"]["white"]
    reader = InputReader.of_record(record)
    assert reader.white is None
    assert torch.equal(reader(BYTES.astype(float)), reader(BYTES))
    assert reader(SHARES).std() < 0.01 < reader(BYTES).std()


@pytest.mark.parametrize("white", ["255", 0, -1, [255], 1e9])
def test_a_record_of_another_white_is_refused(white):
    record = Task.from_arrays(BYTES, LABELS).record
    record["encoding"]["white"] = white
    with pytest.raises(ValueError, match="white"):
        InputReader.of_record(record)


COLOURS = RNG.integers(0, 256, (20, 8, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("trained", "given"),
    [
        (BYTES, BYTES[0]),
        (BYTES, BYTES[0][:, :, None]),
        (COLOURS, COLOURS[0]),
        (COLOURS, COLOURS[0].transpose(2, 0, 1)),
        (COLOURS, BYTES[0]),
    ],
)
def test_a_single_image_is_asked_for_in_a_list(trained, given):
    reader = reader_of(trained)
    with pytest.raises(InvalidTask, match="put a single one into a list"):
        reader(given)
    assert len(reader([given])) == 1


def test_images_of_another_size_or_kind_are_named():
    with pytest.raises(InvalidTask, match="1 channel and 6x8 pixels, got 3 channels and 6x8: resize or con"):
        reader_of(BYTES)(COLOURS)
    with pytest.raises(InvalidTask, match="3 channels and 6x8 pixels, got 3 channels and 5x8: resize"):
        reader_of(COLOURS)(COLOURS[:, :, 1:])
