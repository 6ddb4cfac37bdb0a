"""All that this package loads: valid files of each kind, and what loads them."""

import bz2
import hashlib
import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import damage
import numpy as np
import torch
from PIL import Image
from safetensors.torch import load as load_tensors
from safetensors.torch import save

import mse_rl
from mse_rl.config.training import GrowthConfig, OptimizerConfig, TaskConfig
from mse_rl.costs.measures import BudgetConfig, Latency
from mse_rl.data import Task, load_task
from mse_rl.growth.cache import CacheFolder, digest_of_child
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import CacheEntry
from mse_rl.networks.latency import LatencyFolder
from mse_rl.runs.grown import load_inheritance
from mse_rl.spec import SearchSpace
from mse_rl.tensors import packed

Files = dict[str, bytes]


@dataclass(frozen=True)
class Loader:
    """What loads a folder of files.

    Args:
        name: of the kind of file.
        files: that are valid, by their path in the folder.
        targets: those of them that are damaged.
        load: loads the folder, and returns a digest of what was loaded; None where there was nothing.
        kinds: of damage that know the format.
        sealed: whether what the targets hold has a digest, so that no other content may be taken for true.
    """

    name: str
    files: Files
    targets: tuple[str, ...]
    load: Callable[[Path], Any]
    kinds: tuple[damage.Damage, ...] = ()
    sealed: bool = False


def _content(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _texts(rows: int) -> str:
    words = ["good", "bad", "fine", "poor", "nice", "awful", "great", "dull"]
    lines = [
        f"{words[i % 8]} {words[i * 3 % 8]} thing {i % 5},{'pos' if i % 2 else 'neg'}" for i in range(rows)
    ]
    return "\n".join(["text,label", *lines]) + "\n"


def _table(rows: int) -> str:
    lines = [f"{i % 7},{i * 0.5:.2f},{'red' if i % 3 else 'blue'},{i},{'ab'[i % 2]}" for i in range(rows)]
    return "\n".join(["size,weight,colour,id,class", *lines]) + "\n"


def _arrays(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    x = {
        "images": rng.integers(0, 256, (24, 1, 8, 8), dtype=np.uint8),
        "vectors": rng.normal(size=(24, 5)),
        "series": rng.normal(size=(24, 9, 2)).astype(np.float32),
        "tokens": rng.integers(0, 30, (24, 6)),
    }[kind]
    return {"x_train": x, "y_train": np.arange(24) % 3, "x_test": x[:9], "y_test": np.arange(9) % 3}


def _npz(kind: str) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **_arrays(kind))
    return out.getvalue()


def _image(number: int, form: str) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    out, image = io.BytesIO(), Image.fromarray(pixels)
    mode = {"PNG": ("RGB", "L", "RGBA", "P"), "TIFF": ("RGB", "I;16", "F", "L")}.get(form, ("RGB",))[
        number % 4 if form in ("PNG", "TIFF") else 0
    ]
    image = (
        Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200)
        if mode == "I;16"
        else image.convert(mode)
    )
    image.save(out, form)
    return out.getvalue()


_SUFFIXES = {"JPEG2000": "jp2"}


def _images(form: str) -> Files:
    return {f"{'ab'[i % 2]}/{i}.{_SUFFIXES.get(form, form.lower())}": _image(i, form) for i in range(8)}


def _idx(array: np.ndarray) -> bytes:
    return (
        struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()
    )


def _mnist() -> Files:
    files = {}
    for part, n in (("train", 30), ("t10k", 20)):
        images = np.random.default_rng(n).integers(0, 256, (n, 9, 9))
        files[f"MNIST/raw/{part}-images-idx3-ubyte"] = _idx(images)
        files[f"MNIST/raw/{part}-labels-idx1-ubyte"] = _idx(np.arange(n) % 10)
    return files


def _cifar() -> Files:
    rows = np.random.default_rng(0).integers(0, 256, (20, 3073), dtype=np.uint8)
    rows[:, 0] = np.arange(20) % 10
    names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    return {f"cifar-10-batches-bin/{name}": rows.tobytes() for name in names}


def _usps() -> Files:
    values = " ".join(f"{i}:{-1 + i / 128:.3f}" for i in range(1, 257))
    text = "".join(f"{i % 10 + 1} {values}\n" for i in range(30))
    return {name: bz2.compress(text.encode()) for name in ("usps.bz2", "usps.t.bz2")}


def _of_task(task: Task) -> str:
    return task.fingerprint


def _source(name: str) -> Callable[[Path], str]:
    """Return what loads the folder, or a file in it, as the task ``name``."""
    return lambda folder: _of_task(load_task(name.format(folder), TaskConfig(data_dir=folder)))


def _child(folder: Path) -> str:
    """Load a child in both ways, and ask it."""
    grown = mse_rl.load(folder)
    load_inheritance(folder)
    sample = torch.zeros(
        2, *grown.reader.shape, dtype=torch.int64 if grown.reader.vocabulary else torch.float32
    )
    grown.probabilities(sample)
    return digest_of_child(grown.child) + json.dumps(grown.growth, sort_keys=True)


def _policy(folder: Path) -> str:
    policy = mse_rl.load_policy(folder)
    weights = packed(policy.network.state_dict(), repr(policy.network.layout))
    return hashlib.sha256(weights).hexdigest() + json.dumps(policy.training, sort_keys=True)


def _cache(folder: Path) -> str | None:
    entry = CacheFolder(folder, 1 << 30, CacheEntry).read("key")
    if entry is None:
        return None
    return hashlib.sha256(packed(*entry.to_parts())).hexdigest()


def _latency(folder: Path) -> str:
    return repr(LatencyFolder(folder).settle(_architecture(), lambda: Latency(1.0, 0.1)))


def _architecture() -> Any:
    return mse_rl.Architecture.from_json(
        '{"format": 3, "family": "mlp", "input_shape": [4], "classes": 2, "vocabulary": 0, "links": [], '
        '"stages": [{"width": 4, "stride": 1, "blocks": []}]}'
    )


def _grown(task: Task, **settings: Any) -> Files:
    with TemporaryDirectory() as home:
        mse_rl.apply(task, "widen", epochs=8, batch_size=8, slices=3, **settings).save(Path(home) / "child")
        return _content(Path(home) / "child")


def _children() -> dict[str, Files]:
    digits = Task.from_arrays(*_arrays("images").values(), name="images", log=lambda line: None)
    series = Task.from_arrays(*_arrays("series").values(), name="series", log=lambda line: None)
    tokens = Task.from_arrays(*_arrays("tokens").values(), name="tokens", log=lambda line: None)
    with TemporaryDirectory() as home:
        for name, text in (("table", _table(60)), ("text", _texts(60))):
            (Path(home) / f"{name}.csv").write_text(text)
        table, text = (load_task(f"csv:{home}/{name}.csv", TaskConfig()) for name in ("table", "text"))
    return {
        "of images": _grown(digits),
        "of series": _grown(series, family="rnn"),
        "of token ids": _grown(tokens, family="transformer"),
        "of a table": _grown(table),
        "of texts": _grown(text),
    }


def _entry() -> Files:
    task = Task.from_arrays(*_arrays("images").values(), name="images", log=lambda line: None)
    growth = GrowthConfig(slices=3, training_steps=6, batch_size=8)
    process = GrowthProcess(
        task, growth, optimizer=OptimizerConfig(), space=SearchSpace(start_width=4), seed=0,
        budget=BudgetConfig(flops_budget=10**7),
    )  # fmt: skip
    process.advance("wait", None)
    with TemporaryDirectory() as home:
        CacheFolder(Path(home), 1 << 30, CacheEntry).write(
            "key", CacheEntry(process.state, process.live.capture())
        )
        return _content(Path(home))


def _bundle(
    name: str, files: Files, records: tuple[str, ...], weights: str, load: Callable[[Path], Any]
) -> list[Loader]:
    """Return what loads JSON and weights: with their digests, and without, as before there were any."""
    bare = files | {record: _without_digest(files[record]) for record in records}
    bare[weights] = save({key: tensor.clone() for key, tensor in load_tensors(files[weights]).items()})
    in_json, in_header = (damage.damage_json,) * 6, (damage.damage_header,) * 3
    return [
        Loader(f"{name}: JSON", files, records, load, in_json, True),
        Loader(f"{name}: weights", files, (weights,), load, in_header, True),
        Loader(f"{name}: JSON, no digest", bare, records, load, in_json),
        Loader(f"{name}: weights, no digest", bare, (weights,), load, in_header),
    ]


def _without_digest(content: bytes) -> bytes:
    data = json.loads(content)
    del data["sha256"]
    return json.dumps(data).encode()


def _damage_entry(content: bytes, rng: Random) -> bytes:
    """Change the text or a tensor of an entry, and write it with the digest that is right for it."""
    tensors = load_tensors(content)
    text = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["text"]
    if rng.random() < 0.7:
        return packed(tensors, damage.damage_json(text.encode(), rng).decode())
    name = rng.choice(sorted(tensors))
    tensor = tensors.pop(name)
    changes = (
        tensor.double(),
        tensor.to(torch.uint8),
        tensor.flatten()[:1],
        tensor[None],
        tensor.new_zeros(0),
        tensor / 0,
    )
    return packed(
        tensors | {rng.choice((name, name + "x", "logits", "moment x", "")): rng.choice(changes)}, text
    )


def loaders() -> list[Loader]:
    """Return all loaders, with valid files for each."""
    found = []
    _bombs()  # once, for all processes that are forked
    for what, files in _children().items():
        files = {name: files[name] for name in ("architecture.json", "growth.json", "child.safetensors")}
        found += _bundle(
            f"child {what}", files, ("architecture.json", "growth.json"), "child.safetensors", _child
        )
    with TemporaryDirectory() as home:
        mse_rl.load_policy("small").save(Path(home) / "policy")
        policy = _content(Path(home) / "policy")
        LatencyFolder(Path(home)).settle(_architecture(), lambda: Latency(1.0, 0.1))
        (latency,) = (name for name in _content(Path(home)) if "/" not in name)
        measured = {latency: _content(Path(home))[latency]}
    table, text = _table(60).encode(), _texts(60).encode()
    return [
        *found,
        *_bundle("policy", policy, ("policy.json",), "policy.safetensors", _policy),
        Loader("policy: card", policy, ("README.md",), _policy),
        Loader("cache entry", _entry(), ("key.safetensors",), _cache, (damage.damage_header,) * 3, True),
        Loader("cache entry, with its digest", _entry(), ("key.safetensors",), _cache, (_damage_entry,) * 99),
        Loader("latency", measured, (latency,), _latency, (damage.damage_json,) * 3),
        *(
            Loader(
                f"npz of {kind}",
                {"a.npz": _npz(kind)},
                ("a.npz",),
                _source("npz:{}/a.npz"),
                (damage.damage_archive,) * 6,
            )
            for kind in ("images", "vectors", "series", "tokens")
        ),
        Loader(
            "csv table", {"a.csv": table}, ("a.csv",), _source("csv:{}/a.csv"), (damage.damage_table,) * 6
        ),
        Loader("csv texts", {"a.csv": text}, ("a.csv",), _source("csv:{}/a.csv"), (damage.damage_table,) * 6),
        Loader(
            "csv folder",
            {"train.csv": table, "test.csv": table},
            ("train.csv", "test.csv"),
            _source("csv:{}"),
            (damage.damage_table,) * 6,
        ),
        *(
            Loader(
                f"images: {form}",
                _images(form),
                tuple(_images(form)),
                _source("folder:{}"),
                (damage.damage_png,) * 4 * (form == "PNG"),
            )
            for form in ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "TGA", "JPEG2000")
        ),
        Loader("mnist: IDX", _mnist(), tuple(_mnist()), _source("mnist")),
        Loader("cifar10: binary", _cifar(), tuple(_cifar()), _source("cifar10")),
        Loader("usps: bz2", _usps(), tuple(_usps()), _source("usps"), (_damage_packed,) * 4),
    ]


def _damage_packed(content: bytes, rng: Random) -> bytes:
    """Change what is packed, and pack it again."""
    if rng.random() < 0.05:
        return rng.choice(_bombs())
    return bz2.compress(rng.choice(damage.BYTES)(bz2.decompress(content), rng))


@lru_cache
def _bombs() -> list[bytes]:
    return [bz2.compress(piece * (4_000_000 // len(piece))) for piece in (b"\n", b"1 ", b"0")]
