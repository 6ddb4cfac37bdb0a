"""The well-known datasets: on files written here, and on the real ones where they lie beside the checkout."""

import bz2
import os
import runpy
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import scipy.io
import torch
import torchvision

from mse_rl.config.training import TaskConfig
from mse_rl.data import Augmentation, load_task
from mse_rl.data.known import read_idx
from mse_rl.errors import InvalidTask

REAL = Path(os.environ.get("MSE_RL_DATA") or Path(__file__).parents[3] / "shared" / "data")


def real(*parts):
    path = REAL.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs the real data at {path}")
    return path


def refused(name, folder):
    with pytest.raises(InvalidTask) as caught:
        load_task(name, TaskConfig(data_dir=folder))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def write_idx(path, array):
    head = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


def write_mnist(root, dataset):
    folder = root / dataset / "raw"
    folder.mkdir(parents=True)
    for part, n in (("train", 60), ("t10k", 20)):
        values = np.random.default_rng(n).integers(0, 256, (n, 28, 28))
        write_idx(folder / f"{part}-images-idx3-ubyte", values)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(n) % 10)
    return folder


@pytest.mark.parametrize(
    ("name", "dataset", "augmentation"),
    [
        ("mnist", "MNIST", Augmentation()),
        ("kmnist", "KMNIST", Augmentation()),
        ("fashion_mnist", "FashionMNIST", Augmentation(flip=True)),
    ],
)
def test_the_mnist_family_reads_its_own_folder_and_augments_as_fits(tmp_path, name, dataset, augmentation):
    write_mnist(tmp_path, dataset)
    task = load_task(name, TaskConfig(data_dir=tmp_path))
    assert (task.input_shape, task.classes, task.augmentation) == ((1, 28, 28), 10, augmentation)
    assert len(task.train) + len(task.validation) == 60
    assert task.test.y.tolist() == list(range(10)) * 2


def test_the_environment_names_the_folder_and_the_config_overrules_it(tmp_path, monkeypatch):
    write_mnist(tmp_path, "MNIST")
    monkeypatch.setattr(torchvision.datasets.MNIST, "download", no_network)
    monkeypatch.setenv("MSE_RL_DATA", str(tmp_path))
    assert load_task("mnist", TaskConfig()).classes == 10
    assert str(tmp_path / "other") in refused("mnist", tmp_path / "other")


def test_without_a_setting_data_lie_in_the_working_directory(tmp_path, monkeypatch):
    write_mnist(tmp_path / "data", "MNIST")
    monkeypatch.delenv("MSE_RL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert load_task("mnist", TaskConfig()).classes == 10


def no_network(*args, **kwargs):
    raise URLError("no network:\nname resolution failed")


@pytest.mark.parametrize(
    ("name", "downloader", "words"),
    [
        ("mnist", "MNIST.download", ["train-images-idx3-ubyte", "MNIST/raw"]),
        ("kmnist", "KMNIST.download", ["t10k-labels-idx1-ubyte", "KMNIST/raw"]),
        ("cifar10", "CIFAR10.download", ["data_batch_5", "batches-py", "or data_batch_1.bin", "batches-bin"]),
        ("cifar100", "CIFAR100.download", ["train, test in ", "100-python", "or train.bin", "100-binary"]),
        ("svhn", "SVHN.download", ["train_32x32.mat, test_32x32.mat"]),
        ("usps", "usps.download_url", ["usps.bz2, usps.t.bz2"]),
    ],
)
def test_without_a_network_the_folder_and_the_files_are_named(tmp_path, monkeypatch, name, downloader, words):
    monkeypatch.setattr(f"torchvision.datasets.{downloader}", no_network)
    message = refused(name, tmp_path)
    for word in (str(tmp_path), "the download failed", "no network: name resolution", "MSE_RL_DATA", *words):
        assert word in message


def test_only_what_is_missing_is_downloaded(tmp_path, monkeypatch):
    asked = []

    def fetch(root, download):
        asked.append((root, download))
        write_mnist(root, "MNIST")

    monkeypatch.setattr(torchvision.datasets, "MNIST", fetch)
    for _ in range(2):
        load_task("mnist", TaskConfig(data_dir=tmp_path))
    assert asked == [(tmp_path, True)]


def test_a_download_that_brings_nothing_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "MNIST", lambda root, download: None)
    assert "did not bring them" in refused("mnist", tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"<html>not found</html>",
        b"\0\0\x08\x03\0\0",
        b"\0\0\x08\x01\0\0\0\x05abcd",
        b"\0\0\x0d\x01\0\0\0\x01abcd",
    ],
)
def test_a_file_that_is_not_idx_is_named(tmp_path, content):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(InvalidTask, match=r"expected an IDX file .* delete .*images and get it again"):
        read_idx(tmp_path / "images")


def test_usps_is_read(tmp_path):
    for name, n in (("usps.bz2", 40), ("usps.t.bz2", 10)):
        values = " ".join(f"{i}:{-1 + i / 128:.3f}" for i in range(1, 257))
        lines = "".join(f"{i % 10 + 1} {values}\n" for i in range(n))
        (tmp_path / name).write_bytes(bz2.compress(lines.encode()))
    task = load_task("usps", TaskConfig(data_dir=tmp_path))
    assert (task.input_shape, task.classes, task.augmentation) == ((1, 16, 16), 10, Augmentation())
    assert task.test.y.tolist() == list(range(10))
    (tmp_path / "usps.bz2").write_bytes(b"BZ cut")
    assert "delete usps.bz2" in refused("usps", tmp_path)


def test_svhn_is_read_with_ten_for_zero(tmp_path, monkeypatch):
    for split, n in (("train", 40), ("test", 10)):
        x = np.random.default_rng(n).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
        scipy.io.savemat(tmp_path / f"{split}_32x32.mat", {"X": x, "y": (np.arange(n) % 10 + 1)[:, None]})
    assert "checksums" in refused("svhn", tmp_path)
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda self: True)
    task = load_task("svhn", TaskConfig(data_dir=tmp_path))
    assert (task.input_shape, task.classes, task.augmentation) == ((3, 32, 32), 10, Augmentation(crop=2))
    assert task.test.y.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


@pytest.mark.parametrize(
    ("name", "folder", "mean"), [("mnist", "MNIST", 0.1307), ("fashion_mnist", "FashionMNIST", 0.2860)]
)
def test_the_real_mnist_and_fashion_mnist_are_read(name, folder, mean):
    real(folder, "raw")
    task = load_task(name, TaskConfig(data_dir=REAL, max_train=2_000, resolution=14))
    assert (len(task.train), len(task.validation), len(task.test)) == (1_600, 400, 10_000)
    assert task.input_shape == (1, 14, 14)
    assert task.test.y.bincount().min() > 800
    ours = read_idx(REAL / folder / "raw" / "train-images-idx3-ubyte")
    assert ours.mean() / 255 == pytest.approx(mean, abs=1e-4)  # as published
    theirs = getattr(torchvision.datasets, folder)(REAL, train=False, download=False)
    assert task.test.y.tolist() == theirs.targets.tolist()


def test_all_of_the_real_mnist_is_read_at_its_own_size():
    real("MNIST", "raw")
    task = load_task("mnist", TaskConfig(data_dir=REAL))
    assert (len(task.train), len(task.validation), len(task.test)) == (58_000, 2_000, 10_000)
    assert task.train.x.std(correction=0).item() == pytest.approx(1, abs=1e-4)


def test_the_real_cifar10_is_read(tmp_path):
    runpy.run_path(str(real("unpack_cifar10.py")))["main"](tmp_path)
    task = load_task("cifar10", TaskConfig(data_dir=tmp_path, max_train=1_000))
    assert (len(task.train), len(task.validation), len(task.test)) == (800, 200, 10_000)
    assert task.test.y.bincount().tolist() == [1_000] * 10
    assert task.test.y[:5].tolist() == [3, 8, 8, 0, 6]  # cat, ship, ship, airplane, frog
    sky, forest = (task.test.x[task.test.y == label].mean((0, 2, 3)) for label in (0, 4))
    assert sky[2] - sky[0] > 0.1 > forest[2] - forest[0]  # airplanes are bluer than deer


def test_the_real_trec_is_read_as_tokens():
    task = load_task(f"csv:{real('TREC')}", TaskConfig())
    assert (task.kind, task.classes, task.input_shape) == ("tokens", 6, (18,))
    assert (len(task.train), len(task.validation), len(task.test)) == (4_362, 1_090, 500)
    assert task.encoding["classes"] == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]
    assert task.encoding["words"][:3] == ["?", "the", "what"]
    assert task.vocabulary == len(task.encoding["words"]) + 2 < 3_500
    ids = {word: i for i, word in enumerate(task.encoding["words"], start=2)}
    assert task.test.x[0, :5].tolist() == [ids[word] for word in ("how", "far", "is", "it", "from")]
    assert task.test.y[:2].tolist() == [5, 4]
    assert (task.test.x == 1).sum() / (task.test.x > 0).sum() < 0.2


def test_the_real_japanese_vowels_are_read_as_padded_sequences():
    path = real("UCR", "JapaneseVowels.npz")
    lines = []
    task = load_task(f"npz:{path}", TaskConfig(), log=lines.append)
    assert (task.kind, task.classes, task.input_shape) == ("sequence", 9, (29, 24))
    assert (len(task.train), len(task.validation), len(task.test)) == (216, 54, 370)
    assert "sequences of 29 steps and 12 features: set input to image" in lines[0]
    with np.load(path) as archive:
        filled = (archive["x_test"] != 0).any(2)
    assert torch.equal(task.test.x.isfinite().all(2), torch.from_numpy(filled))
    steps = task.train.x[task.train.x.isfinite().all(2)]
    assert torch.allclose(steps.mean(0), torch.zeros(24), atol=1e-5)
    assert torch.allclose(steps.std(0, correction=0), torch.ones(24), atol=1e-4)
