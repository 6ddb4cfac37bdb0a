"""Images that are held as bytes read as the normalised ones, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.config.training import TaskConfig
from mse_rl.data import SOURCES, JoinedSplit, Split, load_task
from mse_rl.data.raw import RawData
from mse_rl.data.split import PackedSplit


@pytest.fixture
def images(monkeypatch):
    """Return a function that loads a task of 120 random images of a type."""

    def load(dtype=np.uint8, **config):
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (150, 3, 8, 8)).astype(dtype)
        raw = RawData(x[:120], np.arange(120) % 3, x[120:], np.arange(30) % 3, "image", "crop-flip")
        monkeypatch.setitem(SOURCES, "made", lambda argument, config: raw)
        return load_task("made", TaskConfig(**config))

    return load


def test_what_is_read_is_the_same_and_takes_a_quarter_of_the_memory(images):
    task = images()
    packed = task.packed()
    rows = torch.tensor([5, 0, 7, 7])
    for name in ("train", "validation", "test"):
        whole, small = getattr(task, name), getattr(packed, name)
        assert small.x.nbytes * 4 == whole.x.nbytes
        assert len(small) == len(whole)
        assert torch.equal(small.inputs(slice(None)), whole.x)
        assert torch.equal(small.inputs(slice(3, 9)), whole.inputs(slice(3, 9)))
        assert torch.equal(small.inputs(rows), whole.inputs(rows))
    assert packed.input_shape == task.input_shape
    assert packed.fingerprint == task.fingerprint
    assert torch.equal(packed.to("cpu").train.inputs(rows), task.train.inputs(rows))


def test_what_is_packed_stays_so_wherever_it_is(images):
    """Each worker moves the tasks of the main process to its device again; "meta" stands in for a GPU."""
    moved = images().packed().to("meta")
    assert moved.packed() == moved
    assert moved.to("meta").train.mean.device.type == "meta"


def test_a_child_grows_on_bytes_as_on_floats(images, grow):
    task = images()
    ends = []
    for on in (task, task.packed()):
        process = grow(on)
        while not process.finished:
            process.advance(*process.choices()[-1])
        ends.append((process.state, process.test()))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    ("dtype", "config"), [(np.uint8, {"resolution": 12}), (np.float64, {}), (np.int16, {"resolution": 4})]
)
def test_what_bytes_cannot_hold_to_the_bit_stays_as_it_is(images, dtype, config):
    task = images(dtype, **config)
    assert task.packed() == task


def test_inputs_that_are_no_images_stay_as_they_are():
    task = load_task("wine", TaskConfig())
    assert task.packed() == task


@given(rows=st.lists(st.integers(0, 6), max_size=9))
def test_joined_splits_read_as_one(rows):
    """Whatever is asked for, of either, and whichever of them is packed."""
    raw = torch.randint(256, (7, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    scale = torch.full((1, 1, 1, 1), 100.0), torch.full((1, 1, 1, 1), 50.0)
    x, y = (raw.float() - scale[0]) / scale[1], torch.arange(7)
    asked = torch.tensor(rows, dtype=torch.int64)
    plain = Split(x[:4], y[:4]), Split(x[4:], y[4:])
    small = PackedSplit(raw[:4].byte(), y[:4], *scale), PackedSplit(raw[4:].byte(), y[4:], *scale)
    for first, second in (plain, small):
        joined = JoinedSplit(first, second)
        assert len(joined) == 7
        assert joined.device == x.device
        assert torch.equal(joined.inputs(asked), x[asked])
        assert torch.equal(joined.y[asked], y[asked])
