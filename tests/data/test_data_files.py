"""Which files are opened: regular ones, and none that unpack to far more than they are."""

import os
import zipfile

import numpy as np
import pytest

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.errors import InvalidTask


def refused(name, config=None):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, config or TaskConfig())
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1_000
    return message


@pytest.mark.parametrize("kind", ["csv", "npz"])
@pytest.mark.parametrize("pipe", [True, False])
def test_pipes_and_devices_are_refused_at_once(tmp_path, kind, pipe):
    path = tmp_path / "endless"
    if pipe:
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    assert f"got a pipe or a device at {path}: give a regular file" in refused(f"{kind}:{path}")


def test_a_pipe_among_the_files_of_a_known_set_or_of_images_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.MNIST.download", lambda self: None)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        path = tmp_path / "MNIST" / "raw" / f"{name}-ubyte"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
    assert "expected train-images-idx3-ubyte" in refused("mnist", TaskConfig(data_dir=tmp_path))
    (tmp_path / "images" / "a").mkdir(parents=True)
    os.mkfifo(tmp_path / "images" / "a" / "0.png")
    assert "expected images in" in refused(f"folder:{tmp_path / 'images'}")


def test_a_folder_is_no_archive(tmp_path):
    assert f"got a folder at {tmp_path}" in refused(f"npz:{tmp_path}")


@pytest.mark.parametrize("kind", ["csv:", "npz:", "folder:", "mnist:", ""])
def test_a_name_of_5000_letters_is_one_short_line(kind):
    assert "…" in refused(kind + "a" * 5_000)


@pytest.mark.parametrize("kind", ["csv", "npz", "folder"])
@pytest.mark.parametrize("path", ["~no-one-of-this-name/data", "a\0b"])
def test_a_path_that_cannot_be_is_refused(kind, path):
    assert "expected a" in refused(f"{kind}:{path}")


def write(path, x_train, save=np.savez_compressed):
    save(path, x_train=x_train, y_train=np.arange(9) % 3, x_test=np.eye(9), y_test=np.arange(9) % 3)
    return f"npz:{path}"


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path, monkeypatch):
    """The bound of what is always unpacked is lowered here, to spare the memory."""
    monkeypatch.setattr("mse_rl.data.npz.MOST_SMALL", 2**20)
    zeros = np.zeros((9, 30_000))
    message = refused(write(tmp_path / "a.npz", zeros))
    assert "at most 100 times its size" in message
    assert "uncompressed" in message
    noise = np.random.default_rng(0).normal(size=zeros.shape)
    for name in (write(tmp_path / "b.npz", zeros, np.savez), write(tmp_path / "c.npz", noise)):
        assert "one shape in train and test" in refused(name)  # so it has been unpacked


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(3, 4, 5)", "(-1, -9)", "(9, 9.0)", "(" * 5_000])
def test_an_array_that_claims_another_size_than_it_has_is_refused_before_it_is_made(tmp_path, shape):
    write(tmp_path / "a.npz", np.eye(9))
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    claim = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + np.eye(9).tobytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as whole, zipfile.ZipFile(tmp_path / "b.npz", "w") as other:
        for name in whole.namelist():
            other.writestr(name, claim if name == "x_train.npy" else whole.read(name))
    assert "expected a numeric array in x_train" in refused(f"npz:{tmp_path / 'b.npz'}")


def test_a_member_that_is_no_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(key, b"text")
    assert "expected a numeric array in x_train" in refused(f"npz:{tmp_path / 'a.npz'}")


def test_bytes_count_as_the_floats_that_they_become(tmp_path, monkeypatch):
    monkeypatch.setattr("mse_rl.data.npz.MOST_SMALL", 2**20)
    grey = np.zeros((9, 200, 200), np.uint8)
    assert "got 1,440" in refused(write(tmp_path / "a.npz", grey))


def test_a_table_of_a_million_columns_is_refused_at_once(tmp_path):
    (tmp_path / "a.csv").write_text(",".join(f"c{i}" for i in range(10**6)) + "\n" + "1," * 10**6 + "1\n")
    assert "at most 100,000 columns, got 1,000,000" in refused(f"csv:{tmp_path / 'a.csv'}")
