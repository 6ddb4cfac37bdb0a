"""Damaged and hostile variants of a file's bytes; each is a function of a generator of random numbers."""

import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

Damage = Callable[[bytes, Random], bytes]


def flip_bit(content: bytes, rng: Random) -> bytes:
    """Flip one bit, at the start, at the end or anywhere."""
    changed = bytearray(content)
    place = rng.choice((rng.randrange(min(len(content), 64)), -1 - rng.randrange(min(len(content), 64)),
                        rng.randrange(len(content))))  # fmt: skip
    changed[place] ^= 1 << rng.randrange(8)
    return bytes(changed)


def set_bytes(content: bytes, rng: Random) -> bytes:
    """Overwrite some bytes by extreme or random ones."""
    start, count = rng.randrange(len(content)), rng.choice((1, 2, 4, 8, 64))
    new = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80", rng.randbytes(1))) * count
    return content[:start] + new + content[start + count :]


def cut(content: bytes, rng: Random) -> bytes:
    """Leave out the end, or something within."""
    start = rng.randrange(len(content))
    return content[:start] + (content[start + rng.randrange(1, 99) :] if rng.random() < 0.5 else b"")


def insert(content: bytes, rng: Random) -> bytes:
    """Put random bytes somewhere."""
    start = rng.randrange(len(content) + 1)
    return content[:start] + rng.randbytes(rng.choice((1, 2, 8, 200))) + content[start:]


def splice(content: bytes, rng: Random) -> bytes:
    """Copy a piece over another one, or beside it."""
    start, count, place = rng.randrange(len(content)), rng.randrange(1, 300), rng.randrange(len(content))
    piece = content[start : start + count]
    return content[:place] + piece + content[place + (len(piece) if rng.random() < 0.5 else 0) :]


BYTES: tuple[Damage, ...] = (flip_bit, flip_bit, set_bytes, cut, insert, splice)


class Planted:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        """Return the call."""
        return Path.touch, (self.path,)


def planted(canary: Path) -> tuple[bytes, ...]:
    """Return pickles that make the file ``canary`` when run: plain, and as torch and NumPy pack them."""
    call = pickle.dumps(Planted(canary))
    weights, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(weights, "w") as file:
        file.writestr("archive/data.pkl", call)
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (4,), }".ljust(117)
    with zipfile.ZipFile(arrays, "w") as file:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            file.writestr(f"{key}.npy", b"\x93NUMPY\x01\x00v\x00" + header + b"\n" + call)
    return call, pickle.dumps(Planted(canary), protocol=0), weights.getvalue(), arrays.getvalue()


def hostile_wholes(canary: Path) -> tuple[bytes, ...]:
    """Return contents that are no variant of anything, those of ``planted`` among them."""
    return (
        *planted(canary),
        *(b"", b"\0" * 4096, b"[" * 100_000, b'{"a":' * 50_000, b"null", b"[]", b"{}", b"NaN", b'"' * 99_999),
        *(b"%!PS\n(x) run", b"BZh9" + rng_bytes(64), b"PK\x05\x06" + b"\0" * 18, b"\x80\x02]" * 9_999),
        *(struct.pack("<Q", size) + b"{}" for size in (2, 2**24, 2**63)),
        *(b"1" * 200_000, b"," * 99_999, b"a,b\n" * 9_999),
    )


def rng_bytes(count: int) -> bytes:
    """Return the same random bytes each time."""
    return Random(0).randbytes(count)


_VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 0.5, -0.5, 1e308, -1e308, 1e-320, 10**9, 10**18, 10**30, 2**31,
    2**63, -(2**63),
    float("inf"), float("-inf"), float("nan"), "", "a", "\ud800", "\0", "a" * 5_000, "é\u202e\n", "cnn",
    "os:system",
    [], {}, [None], [[]], [0] * 99, {"": 1}, [[1]] * 50,
)  # fmt: skip


def _nodes(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values below one."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(below for key, each in items for below in _nodes(each, (*path, key)))]


def change_json(data: Any, rng: Random) -> Any:
    """Return JSON data with one value replaced, removed, doubled, renamed or moved."""
    data = json.loads(json.dumps(data))
    path = rng.choice(_nodes(data))
    if not path:
        return rng.choice(_VALUES)
    parent = data
    for key in path[:-1]:
        parent = parent[key]
    key, value = path[-1], parent[path[-1]]
    match rng.randrange(7):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, list):
            parent.insert(rng.randrange(len(parent) + 1), value)
        case 1:
            parent[f"{key}_"] = parent.pop(key)
        case 2:
            parent[key] = _near(value, rng)
        case 3:
            other = rng.choice(_nodes(data))
            found = data
            for step in other:
                found = found[step]
            parent[key] = json.loads(json.dumps(found))
        case 4 if isinstance(value, list):
            parent[key] = value * rng.choice((0, 2, 50))
        case _:
            parent[key] = rng.choice(_VALUES)
    return data


def _near(value: Any, rng: Random) -> Any:
    """Return a value of the same type that is not far from one."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return rng.choice((value + 1, value - 1, -value, value * 2, value * 10**6, value / 3, str(value)))
    if isinstance(value, str):
        return rng.choice((value[:-1], value + "x", value.upper(), value * 3))
    return [value]


def damage_json(content: bytes, rng: Random) -> bytes:
    """Change the values of a JSON file; those that do not fit into JSON are written as Python does."""
    data = json.loads(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = change_json(data, rng)
    return json.dumps(data).encode()


def damage_header(content: bytes, rng: Random) -> bytes:
    """Change what a file of safetensors says of itself, or the length of that."""
    length = int.from_bytes(content[:8], "little")
    header = damage_json(content[8 : 8 + length], rng)
    size = rng.choice((len(header),) * 9 + (0, 1, len(header) - 1, len(content), 2**31, 2**63 - 1))
    return size.to_bytes(8, "little") + header + content[8 + length :]


_SHAPES = (
    "()",
    "(3,)",
    "(10**12,)",
    "(1000000000000,)",
    "(-1, 4)",
    "(0, 4)",
    "(9, 9, 9)",
    "(2, 3, 4, 5, 6)",
    "(" * 999,
)
_TYPES = (
    "|O",
    "<f8",
    ">f4",
    "<f2",
    "<c16",
    "<U9",
    "|S5",
    "|V8",
    "<M8[ns]",
    "|b1",
    "<i8",
    "<u8",
    "|i1",
    "<U99999999",
)


def damage_archive(content: bytes, rng: Random) -> bytes:
    """Write the members of a zip archive again, with one of them changed, renamed, left out or doubled."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        zipfile.ZipFile(
            out,
            "w",
            rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
        ) as other,
    ):
        names = archive.namelist()
        hit = rng.choice(names)
        for name in names:
            member = archive.read(name)
            if name == hit:
                kind = rng.randrange(6)
                if kind == 0:
                    continue
                name = rng.choice((name, name.upper(), "../" + name, name + "\0x")) if kind == 1 else name
                member = _damaged_array(member, rng) if kind > 1 else member
            other.writestr(name, member)
    return out.getvalue()


def _damaged_array(member: bytes, rng: Random) -> bytes:
    if rng.random() < 0.4:
        return rng.choice(BYTES)(member, rng)
    head = 10 + int.from_bytes(member[8:10], "little")
    values = member[head:]
    shape, dtype = rng.choice(_SHAPES), rng.choice(_TYPES)
    fields = {"descr": repr(dtype), "fortran_order": rng.choice(("True", "False", "2")), "shape": shape}
    kept = rng.choice(list(fields))
    for name in fields.keys() - {kept}:  # the others are as they were
        start = member.index(f"'{name}': ".encode()) + len(name) + 4
        fields[name] = member[start:head].decode("latin1").split(", '")[0].split(", }")[0]
    header = ("{" + ", ".join(f"'{name}': {value}" for name, value in fields.items()) + ", }\n").encode()
    if rng.random() < 0.3:
        values = rng.choice((values * 2, values[: len(values) // 2], values[::-1], b"\xff" * len(values)))
    return member[:8] + (len(header) % 2**16).to_bytes(2, "little") + header + values


def damage_png(content: bytes, rng: Random) -> bytes:
    """Change, remove, double or add a chunk of a PNG; its checksum is right."""
    chunks, place = [], 8
    while place < len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    hit = rng.randrange(len(chunks))
    kind, data = chunks[hit]
    match rng.randrange(5):
        case 0:
            del chunks[hit]
        case 1:
            chunks.insert(rng.randrange(len(chunks)), (kind, data))
        case 2:
            chunks[0] = (
                b"IHDR",
                struct.pack(">II", *rng.choices((0, 1, 8, 5_000, 50_000, 2**31 - 1), k=2)) + data[8:13],
            )
        case 3:
            bomb = zlib.compress(b"a" * 2_000_000)
            added = rng.choice(
                (
                    (b"zTXt", b"x\0\0" + bomb),
                    (b"iCCP", b"x\0\0" + bomb),
                    (b"tEXt", b"x" * 9_999),
                    (b"IDAT", bomb),
                    (b"acTL", rng.randbytes(8)),
                    (b"PLTE", rng.randbytes(9)),
                )
            )
            chunks.insert(rng.randrange(1, len(chunks)), added)
        case _:
            chunks[hit] = (kind, rng.choice(BYTES)(data, rng) if data else b"\0")
    return content[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


_CELLS = (
    "", "nan", "inf", "-1e999", "1e400", "9" * 400, "1" * 5_000, '"', '"unclosed', "NULL", "é", "a b c d",
    "\0", "\ufeff",
    "1,5", "1.234,5", "50%", "$", "-", "2020-01-01", "x" * 20_000, "=cmd", "\u0315\u0316" * 99, "1_000",
    "0x10", "\r",
)  # fmt: skip


def damage_table(content: bytes, rng: Random) -> bytes:
    """Change cells, rows or columns of a CSV file, or how it is written."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = rng.randrange(len(rows))
    column = rng.randrange(len(rows[row]))
    match rng.randrange(9):
        case 0:
            del rows[row][column]
        case 1:
            rows[row].insert(column, rng.choice(_CELLS))
        case 2:
            rows = [[*cells[:column], rng.choice(_CELLS), *cells[column + 1 :]] for cells in rows]
        case 3:
            rows = rows[: row + 1] * rng.choice((1, 1, 30))
        case 4:
            rows = [cells + [cells[column % len(cells)]] * rng.choice((1, 500)) for cells in rows]
        case 5:
            rows[0] = [rng.choice((name, "", "label", "text", "1")) for name in rows[0]]
        case 6:
            rows[row] = [rng.choice(("#", "", '"', "\t"))]
        case _:
            rows[row][column] = rng.choice(_CELLS)
    text = rng.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n")).join(
        rng.choice((",", ",", ",", ";", "\t", "|")).join(cells) for cells in rows
    )
    return text.encode(rng.choice(("utf-8", "utf-8", "utf-8", "utf-16", "utf-8-sig")), errors="replace")


def damaged(content: bytes, kinds: tuple[Damage, ...], rng: Random) -> bytes:
    """Return a variant that is not the same: one of ``kinds``, or bytes changed in one or several places."""
    while True:
        changed = rng.choice((*kinds, *BYTES[: 3 if kinds else 6]))(content, rng) if content else b"\0"
        for _ in range(rng.choice((0, 0, 0, 1, 3))):
            changed = rng.choice(BYTES)(changed, rng) if changed else changed
        if changed != content:
            return changed
