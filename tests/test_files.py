"""The door of all files: what is no regular file, too large, or not as it was written is refused at once."""

import json
import os
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from mse_rl.errors import InvalidRun, MseRlError
from mse_rl.files import FileKind, sealed
from mse_rl.networks.layers import Embedding
from mse_rl.plain import MOST_DEPTH, parse_json
from mse_rl.tensors import load_weights, packed, read_tensors, write_packed

THING = FileKind("a thing", InvalidRun, most_bytes=1_000, advice="copy it again")


def refused(call, *arguments):
    with pytest.raises(MseRlError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert len(message) < 1_000
    return message


SPECIAL = {
    "a pipe or a device": os.mkfifo,
    "a pipe or a device at": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "no file": lambda path: None,
    "symbolic links": lambda path: path.symlink_to(path),
    "at most 1,000 bytes, got 42,949,672,960": lambda path: path.open("wb").truncate(40 * 2**30),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize(("said", "make"), SPECIAL.items(), ids=SPECIAL)
def test_what_is_no_file_that_could_be_read_is_refused_at_once(tmp_path, said, make):
    make(tmp_path / "it")
    for read in (THING.read, THING.text, THING.require, lambda path: read_tensors(path, THING)):
        assert said in refused(read, tmp_path / "it")


def test_sockets_long_names_and_null_bytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("it")
    for path in ("it", "a" * 5_000, "a\0b"):
        refused(THING.read, Path(path))


def test_a_file_that_does_not_tell_its_size_is_read_no_further_than_it_may():
    assert "more than 1,000 bytes" in refused(THING.read, Path("/proc/self/smaps"))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"a":' * 50_000, "[" * 65 + "]" * 65, '"\\ud800"', "9" * 5_000, "\udcff"],
    ids=lambda text: text[:9],
)
def test_json_that_is_none_or_too_deep_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"expected|Expecting|levels|surrogates|digits|Unterminated"):
        parse_json(text.encode(errors="surrogateescape"))


def test_json_as_deep_as_allowed_is_read():
    text = "[" * MOST_DEPTH + "]" * MOST_DEPTH
    assert json.dumps(parse_json(text)) == text


def test_a_record_that_was_sealed_is_read_only_as_it_was(tmp_path):
    data = {"b": [1, 2.5, None, "ü"], "a": {"1": float("inf"), "x": (True,)}, "c": {2: 3, 10: 4}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(sealed(data)))
    again = THING.load(path, lambda found: found)
    assert again == json.loads(json.dumps(data))
    path.write_text(path.read_text().replace("2.5", "2.6"))
    assert "as it was written" in refused(THING.load, path, dict)
    assert "take its sha256 out" in refused(THING.load, path, dict)
    path.write_text(json.dumps({"a": 1}))
    assert THING.load(path, dict) == {"a": 1}


@pytest.mark.parametrize(
    "error", [KeyError("a"), TypeError(), RuntimeError(), OverflowError(), RecursionError()]
)
def test_whatever_building_raises_leaves_as_an_exception_of_this_package(tmp_path, error):
    def build(data):
        raise error

    (tmp_path / "a.json").write_text("{}")
    assert "expected a thing, got something else" in refused(THING.load, tmp_path / "a.json", build)


@pytest.fixture
def weights(tmp_path):
    """Return the path of a file with the weights of a small module."""
    (tmp_path / "a.safetensors").write_bytes(packed(module(1.0).state_dict(), "text: ü"))
    return tmp_path / "a.safetensors"


def module(value):
    linear = nn.Linear(3, 2)
    nn.init.constant_(linear.weight, value)
    return linear


def test_tensors_and_text_come_back_as_they_were(tmp_path):
    kinds = (torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    tensors = {str(kind): torch.arange(6).reshape(2, 3).to(kind) for kind in kinds}
    tensors |= {"none": torch.empty(0, 4), "one": torch.tensor(1.5), "turned": torch.rand(4, 3).T}
    (tmp_path / "a").write_bytes(packed(tensors, "text"))
    write_packed(tmp_path / "b", tensors, "text")
    assert (tmp_path / "b").read_bytes() == packed(tensors, "text")
    again, text = read_tensors(tmp_path / "a", FileKind("a thing", InvalidRun, 10_000), needs_digest=True)
    assert text == "text"
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)
    others = load((tmp_path / "a").read_bytes())  # it is safetensors for others, too
    assert others.keys() == tensors.keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in others.items())


def test_a_module_that_is_read_lies_in_memory_as_it_is_made(tmp_path):
    made = Embedding(3, 5)
    nn.init.normal_(made.weight)
    assert made.weight.stride() == (1, 3)
    write_packed(tmp_path / "a", made.state_dict())
    with torch.device("meta"):
        again = Embedding(3, 5)
    load_weights(again, tmp_path / "a", FileKind("a thing", InvalidRun, 10_000))
    assert again.weight.stride() == (1, 3)
    assert torch.equal(again.weight, made.weight)


def test_every_flipped_bit_is_seen(weights):
    content = weights.read_bytes()
    for place in range(len(content)):
        weights.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        refused(read_tensors, weights, THING)


def test_every_cut_is_seen(weights):
    content = weights.read_bytes()
    for end in range(len(content)):
        weights.write_bytes(content[:end])
        refused(load_weights, module(0.0), weights, THING)


def test_weights_without_a_digest_are_read_as_before_there_was_one(weights):
    weights.write_bytes(save(module(2.0).state_dict()))
    other = module(0.0)
    load_weights(other, weights, THING)
    assert (other.weight == 2).all()
    assert "as it was written" in refused(lambda: read_tensors(weights, THING, needs_digest=True))


@pytest.mark.parametrize(
    ("name", "tensor", "said"),
    [
        ("weight", torch.zeros(3, 2), "the first is weight: expected ((2, 3), torch.float32), got ((3, 2)"),
        ("weight", torch.zeros(2, 3, dtype=torch.float16), "torch.float16"),
        ("weight", torch.full((2, 3), torch.nan), "finite weights"),
        ("weight", torch.full((2, 3), -torch.inf), "finite weights"),
        ("more", torch.zeros(1), "the first is more: expected None"),
    ],
)
def test_other_tensors_than_expected_are_refused(weights, name, tensor, said):
    weights.write_bytes(packed(module(1.0).state_dict() | {name: tensor}))
    assert said in refused(load_weights, module(0.0), weights, THING)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [10**12], "data_offsets": [0, 4 * 10**12]},
        {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]},
        {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]},
        {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [1]},
        [],
        None,
    ],
    ids=str,
)
def test_a_header_that_claims_something_else_is_refused_before_memory_is_taken(tmp_path, entry):
    header = json.dumps({"a": entry}).encode()
    (tmp_path / "a").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    refused(read_tensors, tmp_path / "a", THING)
