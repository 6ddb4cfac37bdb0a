"""Damaged and hostile files, some of each kind; ``scripts/fuzzing/fuzz_files.py`` plays 100,000."""

import pickle
import warnings
from pathlib import Path

import pytest
import torchvision
from damage import Planted, planted
from fuzz_files import no_network, outcome, write_case
from loaders import loaders

from mse_rl.config.training import TaskConfig
from mse_rl.data import load_task
from mse_rl.errors import InvalidTask

CASES = 6


@pytest.fixture(scope="module")
def all_loaders():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return loaders()


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", no_network)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("offline")
def test_damage_is_refused_in_one_line_or_harmless(all_loaders, tmp_path, monkeypatch):
    """Nothing hangs, nothing is run, and nothing that has a digest is taken for what it is not."""
    canary, wrong = tmp_path / "code_was_run", {}
    for number, loader in enumerate(all_loaders):
        right = tmp_path / f"{number}"
        for name, content in loader.files.items():
            (right / name).parent.mkdir(parents=True, exist_ok=True)
            (right / name).write_bytes(content)
        expected = loader.load(right)
        assert expected is not None
        for case in range(CASES):
            folder = tmp_path / f"{number} {case}"
            folder.mkdir()
            monkeypatch.chdir(tmp_path)
            write_case(loader, case, 0, folder, canary)
            said = outcome(loader, folder, expected)
            if said not in ("refused", "loaded, equal", "loaded, other"):
                wrong[loader.name, case] = said
    assert not wrong
    assert not canary.exists()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("offline")
def test_a_pickle_planted_in_any_file_is_never_run(all_loaders, tmp_path):
    canary = tmp_path / "code_was_run"
    for content in planted(canary)[:2]:
        pickle.loads(content)
        assert canary.exists()  # so these are indeed malicious
        canary.unlink()
    for number, loader in enumerate(all_loaders):
        for kind, content in enumerate(planted(canary)):
            folder = tmp_path / f"{number} {kind}"
            for name in loader.files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content if name in loader.targets else loader.files[name])
            outcome(loader, folder, None)
            assert not canary.exists(), loader.name


PLANTED = {
    "mnist": ("MNIST/processed/training.pt", "MNIST/processed/test.pt"),
    "svhn": ("train_32x32.mat", "test_32x32.mat"),
    "cifar10": ("cifar-10-batches-py/data_batch_1", "cifar-10-batches-py/batches.meta"),
    "cifar100": ("cifar-100-python/train", "cifar-100-python/test", "cifar-100-python/meta"),
    "usps": ("usps.bz2", "usps.t.bz2"),
}


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("name", "files"), PLANTED.items(), ids=PLANTED)
def test_nor_is_one_beside_the_files_of_a_known_set(tmp_path, monkeypatch, name, files):
    for dataset in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(getattr(torchvision.datasets, dataset), "download", no_network)
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(pickle.dumps(Planted(tmp_path / "code_was_run")))
    with pytest.raises(InvalidTask):
        load_task(name, TaskConfig(data_dir=tmp_path))
    assert not (tmp_path / "code_was_run").exists()


def test_what_stands_where_a_download_goes_is_not_opened(tmp_path):
    (tmp_path / "usps.bz2").write_bytes(b"")
    Path(tmp_path / "usps.t.bz2").mkdir()
    with pytest.raises(InvalidTask, match=r"expected usps\.t\.bz2, got a folder"):
        load_task("usps", TaskConfig(data_dir=tmp_path))
