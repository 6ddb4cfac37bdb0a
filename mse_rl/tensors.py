"""Tensors in files, as safetensors: checked before memory is taken for them, and with a digest."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from mse_rl.errors import brief, counted
from mse_rl.files import SEAL, FileKind
from mse_rl.plain import from_plain, parse_json

MOST_TENSOR_BYTES = 2**30
"""Of a file of tensors: 268 million weights in float32."""
_MOST_HEADER_BYTES = 2**24
_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}

Tensors = dict[str, Tensor]
Layout = Mapping[str, tuple[tuple[int, ...], torch.dtype]]
"""Shapes and types, by the names of tensors."""


def packed(tensors: Mapping[str, Tensor], text: str = "") -> bytes:
    """Return tensors and a text as safetensors, with their digest."""
    return b"".join(_pieces(tensors, text))


def write_packed(path: Path, tensors: Mapping[str, Tensor], text: str = "") -> None:
    """Write a file of what ``packed`` returns, without a copy of all tensors in memory."""
    with path.open("wb") as file:
        file.writelines(_pieces(tensors, text))


def _pieces(tensors: Mapping[str, Tensor], text: str) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a file of safetensors: the header, with its size, and one tensor after the other."""
    largest_first = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))  # each is aligned so
    ends = [0, *accumulate(tensors[name].nbytes for name in largest_first)]
    metadata = {SEAL: _digest(tensors, text)} | ({"text": text} if text else {})
    header: dict[str, Any] = {"__metadata__": metadata}
    for name, offsets in zip(largest_first, pairwise(ends), strict=True):
        tensor = tensors[name]
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": [*tensor.shape], "data_offsets": offsets}
    content = json.dumps(header, ensure_ascii=False).encode()
    content += b" " * (-len(content) % 8)
    yield len(content).to_bytes(8, "little") + content
    for name in largest_first:
        yield _bytes(tensors[name])


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data


def laid_out(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a copy of ``tensor``, in memory as ``like``, which has its shape and may be on the meta device.

    Layers choose how their weights lie in memory, and files do not tell. It is always a copy: what is read
    from a file is part of the memory of all of it.
    """
    return torch.empty_strided(like.shape, like.stride(), dtype=tensor.dtype).copy_(tensor)


def read_tensors(
    path: Path, kind: FileKind, layout: Layout | None = None, *, needs_digest: bool = False
) -> tuple[Tensors, str]:
    """Return tensors and text of a file, as ``packed`` took them. If it has a digest, it has to be right.

    Args:
        path: of the file.
        kind: what it is.
        layout: which tensors they have to be, in float64 if not in float32; any if not given.
        needs_digest: whether it has to have one.

    Raises:
        MseRlError: the kind's, if there is no such file, or the tensors are others.
    """
    with kind.open(path) as file:
        header = _Header.read(file)
        if layout is not None:
            _check_layout(header.layout, layout)
        content = bytearray(file.read(header.size + 1))
        if len(content) != header.size:  # it has changed meanwhile
            raise ValueError(f"expected {header.size:,} bytes of tensors, got {len(content):,}")
        tensors = {name: entry.tensor(content) for name, entry in header.entries.items()}
    digest = header.metadata.get(SEAL)
    if (needs_digest or digest is not None) and digest != _digest(tensors, header.text):
        raise kind.changed(path)
    return tensors, header.text


def load_weights(
    module: nn.Module, path: Path, kind: FileKind, *, lacking: Mapping[str, Tensor] | None = None
) -> None:
    """Give ``module``, which may be on the meta device, the tensors of a file.

    Args:
        module: gets them.
        path: of the file.
        kind: what it is.
        lacking: tensors of the module that are not in the file.

    Raises:
        MseRlError: the kind's, if there is no such file, or its tensors do not fit or are not finite.
    """
    lacking = lacking or {}
    state = {name: tensor for name, tensor in module.state_dict().items() if name not in lacking}
    layout = {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in state.items()}
    tensors, _ = read_tensors(path, kind, layout)
    for name, tensor in tensors.items():
        if tensor.numel() and not _is_finite(tensor):
            raise kind.error(f"expected finite weights, got others in {name} at {brief(path)}: {kind.advice}")
        tensors[name] = laid_out(tensor, state[name])
    module.load_state_dict({**tensors, **lacking}, assign=True)


def _is_finite(tensor: Tensor) -> bool:
    low, high = tensor.aminmax()  # NaN, if there is any; takes no memory for each value
    return bool(low.isfinite() & high.isfinite())


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    content = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        content.update(_bytes(tensor))
    return content.hexdigest()


def _check_layout(got: Layout, expected: Layout) -> None:
    if got not in (expected, _in_double(expected)):
        wrong = sorted(name for name in expected.keys() | got.keys() if expected.get(name) != got.get(name))
        raise ValueError(
            f"{counted(len(wrong), 'tensor')} of another layout, the first is {brief(wrong[0], 80)}: "
            f"expected {expected.get(wrong[0])}, got {got.get(wrong[0])}"
        )


def _in_double(layout: Layout) -> Layout:
    return {
        name: (shape, torch.float64 if dtype == torch.float32 else dtype)
        for name, (shape, dtype) in layout.items()
    }


@dataclass(frozen=True)
class _Entry:
    """What the header says of a tensor."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]

    def __post_init__(self) -> None:
        sizes = [max(size, 1) for size in self.shape]  # an empty one has strides, too
        if self.dtype not in _TYPES or min(self.shape, default=0) < 0 or prod(sizes) > MOST_TENSOR_BYTES:
            raise ValueError(f"expected a tensor, got {brief(self)}")
        (start, end), size = self.data_offsets, self.type.itemsize
        if end - start != prod(self.shape) * size or start % size:
            raise ValueError(f"expected the place of a tensor, got {brief(self)}")

    @property
    def type(self) -> torch.dtype:
        return _TYPES[self.dtype]

    def tensor(self, content: bytearray) -> Tensor:
        """Return the tensor, which shares the memory of ``content``."""
        if not (count := prod(self.shape)):
            return torch.empty(self.shape, dtype=self.type)
        flat = torch.frombuffer(content, dtype=self.type, count=count, offset=self.data_offsets[0])
        return flat.view(self.shape)


@dataclass(frozen=True)
class _Header:
    """What a file of safetensors says of itself.

    Args:
        entries: the tensors by name.
        metadata: the text and the digest, or nothing.
        size: bytes of all tensors.
    """

    entries: Mapping[str, _Entry]
    metadata: Mapping[str, str]
    size: int

    @classmethod
    def read(cls, file: BinaryIO) -> "_Header":
        """Return the header at the start of a file; its tensors take all that is behind it.

        Raises:
            ValueError: if there is none, or it claims something else.
        """
        length = int.from_bytes(file.read(8), "little")
        size = os.fstat(file.fileno()).st_size - 8 - length
        if not 0 < length <= _MOST_HEADER_BYTES or size < 0:
            raise ValueError("no header")
        data = _mapping(parse_json(file.read(length)))
        metadata = _mapping(data.pop("__metadata__", {}))
        if not metadata.keys() <= {"text", "format", SEAL} or not all(map(_is_text, metadata.values())):
            raise ValueError(f"unknown metadata {brief(metadata)}")
        header = cls({name: _entry(entry) for name, entry in data.items()}, metadata, size)
        header._check_places()
        return header

    def _check_places(self) -> None:
        end = 0
        for start, behind in sorted(entry.data_offsets for entry in self.entries.values()):
            if start != end:
                raise ValueError(f"a gap or an overlap at byte {start}")
            end = behind
        if end != self.size:
            raise ValueError(f"expected {end:,} bytes of tensors, got {self.size:,}")

    @property
    def text(self) -> str:
        return self.metadata.get("text", "")

    @property
    def layout(self) -> Layout:
        return {name: (entry.shape, entry.type) for name, entry in self.entries.items()}


def _entry(plain: Any) -> _Entry:
    entry: _Entry = from_plain(_Entry, plain)
    return entry


def _mapping(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise ValueError(f"expected an object, got {brief(plain)}")
    return plain


def _is_text(plain: object) -> bool:
    return isinstance(plain, str)
