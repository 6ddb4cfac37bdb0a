"""CIFAR: the binary files, and the pickles that torchvision vouches for; no other pickle is read."""

import hashlib
import pickle
import struct

import numpy as np
import pytest
import torch
import torchvision

from mse_rl.config.training import TaskConfig
from mse_rl.data import Augmentation, load_task
from mse_rl.data.cifar import CIFAR10, CIFAR100, read_binary, read_pickle
from mse_rl.errors import InvalidTask

PYTHON_FOLDERS = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}
RELEASES = {"cifar10": CIFAR10, "cifar100": CIFAR100}


def made(release, n=20):
    """Return images (n, 3072), red 200 and the rest brighter from file to file, and labels (n,) by file."""
    for i in range(len(release.files)):
        pixels = np.full((n, 3072), 10 * i, dtype=np.uint8)
        pixels[:, :1024] = 200
        yield pixels, np.arange(n) % 10


def write_binary(root, release):
    (root / release.folder).mkdir()
    for name, (pixels, labels) in zip(release.files, made(release), strict=True):
        coarse = [np.full((len(labels), 1), 99)] * (release.labels - 1)
        rows = np.concatenate([*coarse, labels[:, None], pixels], axis=1).astype(np.uint8)
        (root / release.folder / name).write_bytes(rows.tobytes())


def write_pickles(root, name, monkeypatch):
    """Write the files that torchvision expects, and have it know their md5."""
    release, original = RELEASES[name], getattr(torchvision.datasets, RELEASES[name].dataset)
    folder = root / PYTHON_FOLDERS[name]
    folder.mkdir()
    files = []
    for (file, _), (pixels, labels) in zip(
        [*original.train_list, *original.test_list], made(release), strict=True
    ):
        content = pickle.dumps({"data": pixels, release.key: labels.tolist()})
        (folder / file).write_bytes(content)
        files.append([file, hashlib.md5(content).hexdigest()])
    monkeypatch.setattr(original, "train_list", files[:-1])
    monkeypatch.setattr(original, "test_list", files[-1:])
    return folder


def refused(name, folder):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, TaskConfig(data_dir=folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", RELEASES)
def test_binary_files_are_read_in_order_with_red_first(tmp_path, name):
    write_binary(tmp_path, RELEASES[name])
    task = load_task(name, TaskConfig(data_dir=tmp_path))
    assert (task.input_shape, task.classes) == ((3, 32, 32), 10)
    assert len(task.train) + len(task.validation) == 20 * (len(RELEASES[name].files) - 1)
    assert task.augmentation == Augmentation(crop=2, flip=True)
    assert task.test.x[:, 0].abs().max() < 1e-5  # red is constant in train
    assert task.test.x[:, 1:].min() > 0.01  # the last file is the brightest
    assert task.test.y.tolist() == [*range(10)] * 2


@pytest.mark.parametrize("name", RELEASES)
def test_the_original_pickles_give_the_same_task(tmp_path, monkeypatch, name):
    (tmp_path / "a").mkdir()
    write_binary(tmp_path / "a", RELEASES[name])
    (tmp_path / "b").mkdir()
    write_pickles(tmp_path / "b", name, monkeypatch)
    binary, pickled = (load_task(name, TaskConfig(data_dir=tmp_path / part)) for part in "ab")
    assert binary.fingerprint == pickled.fingerprint
    assert torch.equal(binary.test.x, pickled.test.x)


def test_a_pickle_as_python_2_wrote_it_is_read(tmp_path):
    """The release's pickles: protocol 2, strings for bytes, numpy.core, and 0 and 1 for booleans."""
    pixels = "".join(chr(i % 256) for i in range(3072)).encode("latin1")
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(K\x01M\x00\x0ctcnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
    )
    content = b"\x80\x02}(U\x04data" + array + struct.pack("<I", 3072) + pixels + b"tbU\x06labels]K\x07au."
    (tmp_path / "batch").write_bytes(content)
    x, y = read_pickle(tmp_path / "batch", hashlib.md5(content).hexdigest(), CIFAR10)
    assert x.dtype == np.uint8
    assert x.tobytes() == pixels
    assert y.tolist() == [7]


class Touch:
    """Pickles as a call that makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).mkdir, (self.path,)


def test_a_pickle_of_another_md5_is_refused_and_does_not_run(tmp_path, monkeypatch):
    folder = write_pickles(tmp_path, "cifar10", monkeypatch)
    expected = torchvision.datasets.CIFAR10.train_list[2][1]
    content = pickle.dumps(Touch(tmp_path / "ran"))
    (folder / "data_batch_3").write_bytes(content)
    message = refused("cifar10", tmp_path)
    assert not (tmp_path / "ran").exists()
    for word in (expected, hashlib.md5(content).hexdigest(), str(folder / "data_batch_3"), CIFAR10.folder):
        assert word in message
    pickle.loads(content)
    assert (tmp_path / "ran").exists()  # so the pickle was indeed a malicious one


def test_binary_files_come_before_pickles(tmp_path, monkeypatch):
    (write_pickles(tmp_path, "cifar10", monkeypatch) / "data_batch_3").write_bytes(b"not the original")
    write_binary(tmp_path, CIFAR10)
    assert len(load_task("cifar10", TaskConfig(data_dir=tmp_path)).test) == 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "images of 3,073 bytes each, got 0 bytes"),
        (bytes(3_000), "got 3,000 bytes"),
        (bytes([10]) + bytes(3_072), "labels below 10, got 10"),
    ],
)
def test_a_broken_binary_file_is_named(tmp_path, content, words):
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(InvalidTask, match=rf"{words}: delete .*a\.bin and get it again"):
        read_binary(tmp_path / "a.bin", CIFAR10)
