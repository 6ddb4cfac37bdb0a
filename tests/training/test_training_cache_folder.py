"""Trajectories in memory and in a folder: what was put is found, and nothing that goes wrong ends a run."""

import errno
import logging
import os
from dataclasses import dataclass, replace

import pytest
import torch
from safetensors.torch import save
from support.grown import grown

from mse_rl import tensors
from mse_rl.growth.cache import CacheFolder, PrefixCache
from mse_rl.growth.state import CacheEntry
from mse_rl.tensors import packed
from mse_rl.training.live_child import TENSOR_BYTES

BIG = 1 << 30


@dataclass(frozen=True)
class Note:
    """An entry of so many bytes, and a text."""

    text: str = "text"
    kilobytes: int = 1

    @property
    def size_bytes(self):
        return self.kilobytes << 10

    def to_parts(self):
        return {"zeros": torch.zeros(self.size_bytes, dtype=torch.uint8)}, self.text

    @classmethod
    def from_parts(cls, tensors, text):
        return cls(text, len(tensors["zeros"]) >> 10)


@pytest.fixture
def folder_of(tmp_path):
    """Return a function that opens the same folder, as another process would."""

    def open_(capacity_bytes=BIG, kind=Note, path=tmp_path / "cache"):
        return CacheFolder(path, capacity_bytes, kind)

    return open_


@pytest.fixture
def warnings(caplog):
    caplog.set_level(logging.WARNING)
    return lambda: [record.getMessage() for record in caplog.records]


def names(folder):
    return sorted(entry.name for entry in os.scandir(folder.path)) if folder.path.exists() else []


def kept(folder, keys):
    """Return those of the keys whose entries are there."""
    return [key for key in keys if folder.read(key) is not None]


def aged(folder, keys):
    """Let the entries have been used long ago, in this order."""
    for moment, key in enumerate(keys):
        os.utime(folder.path / f"{key}.safetensors", (moment, moment))


def test_what_one_process_writes_another_reads(folder_of):
    writer, reader = folder_of(), folder_of()
    assert reader.read("key") is None
    writer.write("key", Note("a text: ä, ∞ and \n"))
    assert reader.read("key") == Note("a text: ä, ∞ and \n")
    assert reader.read("other") is None
    writer.write("key", Note("another"))
    assert reader.read("key") == Note("another")
    assert names(writer) == ["key.safetensors"]


def test_what_was_used_least_recently_goes_first(folder_of):
    folder, keys = folder_of(24 << 10), [f"key{n}" for n in range(16)]
    for key in keys:
        folder.write(key, Note())
    assert kept(folder, keys) == keys
    aged(folder, keys)
    assert folder_of().read("key2") == Note()  # another process uses it
    for n in range(8):
        folder.write(f"new{n}", Note())
    assert folder.read("key2") == Note()
    left = kept(folder, keys[3:])
    assert left == keys[16 - len(left) :]
    assert kept(folder, keys[:2]) == []
    assert len(left) < 13


@pytest.mark.parametrize("writers", [1, 2])
def test_the_files_take_no_more_than_they_may(folder_of, writers):
    capacity = 40 << 10
    folders = [folder_of(capacity) for _ in range(writers)]
    most = 0
    for n in range(100):
        folders[n % writers].write(f"key{n}", Note())
        most = max(most, sum(entry.stat().st_size for entry in os.scandir(folders[0].path)))
    assert 0.7 * capacity < most <= capacity


def test_files_and_folders_of_others_are_left_alone(folder_of, tmp_path, warnings):
    folder = folder_of(8 << 10)
    (folder.path / "folder").mkdir(parents=True)
    (folder.path / "thesis.txt").write_bytes(bytes(4 << 10))
    os.utime(folder.path / "thesis.txt", (1, 1))
    for n in range(30):
        folder.write(f"key{n}", Note())
    assert {"folder", "thesis.txt"} < {*names(folder)}
    assert folder.read("key29") == Note()
    assert not warnings()


def without_text(content):
    return save({"zeros": torch.zeros(9)})


DAMAGES = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "cut off in its header": lambda content: content[:20],
    "something else": lambda content: b"thesis " * 999,
    "without a text": without_text,
    "a flipped bit": lambda content: content[:-1] + bytes([content[-1] ^ 1]),
    "as before there were digests": lambda content: save({"zeros": torch.zeros(9)}, {"text": "text"}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_file_that_cannot_be_read_is_a_miss_told_once_and_is_written_anew(folder_of, warnings, damage):
    folder = folder_of()
    folder.write("key", Note())
    path = folder.path / "key.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert folder.read("key") is None
    (warning,) = warnings()
    assert str(path) in warning
    folder.write("key", Note())
    assert folder_of().read("key") == Note()


def edited(entry, old, new):
    tensors, text = entry.to_parts()
    assert old in text
    return packed(tensors, text.replace(old, new))


def with_tensors(entry, change):
    tensors, text = entry.to_parts()
    return packed({name: change(tensor) for name, tensor in tensors.items()}, text)


FOREIGN = {
    "no JSON": lambda entry: edited(entry, "{", "<"),
    "a field less": lambda entry: edited(entry, '"slice_index": 8, ', ""),
    "a field more": lambda entry: edited(entry, '"slice_index": 8', '"slice_index": 8, "mood": "good"'),
    "a field of another type": lambda entry: edited(entry, '"slice_index": 8', '"slice_index": "8"'),
    "an architecture that cannot be": lambda entry: edited(entry, '"classes": 3', '"classes": 0'),
    "an unknown family": lambda entry: edited(entry, '"family": "cnn"', '"family": "kan"'),
    "an unknown kind of block": lambda entry: edited(entry, '"kind": "conv"', '"kind": "spline"'),
    "an unknown activation": lambda entry: edited(entry, '"silu"', '"softsign"'),
    "another child's tensors": lambda entry: edited(entry, '"inner": 32', '"inner": 8'),
    "tensors of another shape": lambda entry: with_tensors(entry, lambda tensor: tensor[..., None].clone()),
    "no tensors": lambda entry: packed({}, entry.to_parts()[1]),
    "tensors that are none of a child": lambda entry: packed({"zeros": torch.zeros(2)}, entry.to_parts()[1]),
}


@pytest.mark.parametrize("foreign", FOREIGN.values(), ids=FOREIGN)
def test_an_entry_of_another_version_is_a_miss_and_told_once(folder_of, warnings, foreign):
    process = grown("cnn")
    entry, folder = CacheEntry(process.state, process.live.capture()), folder_of(kind=CacheEntry)
    folder.write("key", entry)
    assert folder.read("key") is not None
    (folder.path / "key.safetensors").write_bytes(foreign(entry))
    assert folder.read("key") is None
    assert len(warnings()) == 1


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


FAILURES = {
    "no space for a file": (tensors, "_pieces"),
    "not in place": (os, "replace"),
    "no room to be made": (os, "scandir"),
}


@pytest.mark.parametrize(("owner", "name"), FAILURES.values(), ids=FAILURES)
def test_a_disk_that_is_full_is_told_once_and_the_run_goes_on(folder_of, warnings, monkeypatch, owner, name):
    folder = folder_of(4 << 10)
    folder.write("before", Note())
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full, raising=False)
        cache = PrefixCache(BIG, folder=folder, shares_all=True)
        for n in range(5):
            cache.put(f"key{n}", Note(str(n)))
            assert cache.get(f"key{n}") == Note(str(n))
    (warning,) = warnings()
    assert "No space left on device" in warning
    assert str(folder.path) in warning
    assert all(name.endswith(".safetensors") for name in names(folder))
    assert folder.read("before") == Note()


def test_a_folder_that_cannot_be_is_told_once_and_the_run_goes_on(folder_of, tmp_path, warnings):
    (tmp_path / "file").write_text("")
    cache = PrefixCache(BIG, folder=folder_of(path=tmp_path / "file" / "cache"), shares_all=True)
    for n in range(5):
        assert cache.get(f"key{n}") is None
        cache.put(f"key{n}", Note(str(n)))
        assert cache.get(f"key{n}") == Note(str(n))
    assert len(warnings()) == 1


@pytest.mark.parametrize("when", ["before it is looked at", "before it is deleted"])
def test_files_that_other_processes_delete_meanwhile_are_not_missed(folder_of, warnings, monkeypatch, when):
    folder, scandir, unlink = folder_of(8 << 10), os.scandir, os.unlink

    def listing(path):
        entries = list(scandir(path))
        if when == "before it is looked at":
            unlink(entries[0].path)
        return iter(entries)

    def deleting(path):
        unlink(path)
        if when == "before it is deleted":
            unlink(path)  # which raises

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", listing)
        patch.setattr(os, "unlink", deleting)
        for n in range(30):
            folder.write(f"key{n}", Note())
    assert len(names(folder)) <= 8
    folder.write("last", Note())
    assert folder.read("last") == Note()
    assert not warnings()


def test_in_memory_what_was_used_least_recently_goes_first():
    cache = PrefixCache(3 << 10)
    for key in "abc":
        cache.put(key, Note(key))
    assert cache.get("a") == Note("a")
    cache.put("d", Note("d"))
    assert [cache.get(key) is not None for key in "abcd"] == [True, False, True, True]
    assert (cache.hits, cache.misses, cache.size_bytes) == (4, 1, 3 << 10)
    cache.put("d", Note("other", 2))
    assert cache.size_bytes <= 3 << 10
    assert cache.get("d") == Note("other", 2)
    cache.put("e", Note("e", 4))  # more than all that there is
    assert cache.get("e") is None
    assert cache.size_bytes == 0


def test_only_what_is_asked_for_is_shared_or_all_of_it(folder_of):
    one, other = (PrefixCache(BIG, folder=folder_of()) for _ in range(2))
    one.put("a", Note("a"))
    one.put("b", Note("b"))
    one.share("b")
    one.share("nothing")
    assert (other.get("a"), other.get("b")) == (None, Note("b"))
    assert (other.hits, other.misses) == (1, 1)
    assert names(folder_of()) == ["b.safetensors"]
    everything = PrefixCache(BIG, folder=folder_of(), shares_all=True)
    everything.put("c", Note("c"))
    assert one.get("c") == Note("c")


def test_what_was_read_from_the_folder_is_held_in_memory_as_long_as_there_is_room(folder_of):
    folder_of().write("key", Note())
    for capacity, again in ((1 << 10, Note()), (0, None)):
        folder_of().write("key", Note())
        cache = PrefixCache(capacity, folder=folder_of())
        assert cache.get("key") == Note()
        os.unlink(folder_of().path / "key.safetensors")
        assert cache.get("key") == again


def test_a_cache_without_memory_still_keeps_all_in_the_folder(folder_of):
    cache = PrefixCache(0, folder=folder_of(), shares_all=True)
    for key in "ab":
        cache.put(key, Note(key))
    assert [cache.get(key) for key in "abc"] == [Note("a"), Note("b"), None]
    assert cache.size_bytes == 0


def test_an_entry_takes_the_memory_of_its_tensors():
    process = grown("cnn")
    entry = CacheEntry(process.state, process.live.capture())
    tensors = entry.to_parts()[0].values()
    assert entry.size_bytes == sum(tensor.nbytes for tensor in tensors) + TENSOR_BYTES * len(tensors)
    assert replace(entry, state=None).size_bytes == entry.size_bytes
