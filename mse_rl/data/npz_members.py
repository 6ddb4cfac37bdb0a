"""What the arrays of an archive claim to be, looked at before any of them is unpacked."""

import math
from pathlib import Path
from textwrap import shorten
from typing import Any
from zipfile import ZipFile

import numpy as np

from mse_rl.errors import InvalidTask

MOST_RATIO = 100
"""An archive may unpack to so many times its size; images of real data seldom reach ten times."""
MOST_SMALL = 2**28
"""So many bytes (268 MB) are unpacked in any case."""
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def check_members(archive: ZipFile, keys: tuple[str, ...], path: Path) -> None:
    """Check the arrays of ``keys``: as large as their headers say, and together within bounds.

    Nothing but their headers is read.

    Raises:
        InvalidTask: one is not, or they would unpack to more than ``MOST_SMALL`` and ``MOST_RATIO`` allow.
    """
    names = {key: key if key in archive.namelist() else f"{key}.npy" for key in keys}
    total = sum(archive.getinfo(name).file_size for name in names.values())
    size = path.stat().st_size
    if total > max(MOST_SMALL, MOST_RATIO * size):
        raise InvalidTask(
            f"expected an archive that unpacks to at most {MOST_RATIO} times its size, got {total:,} bytes "
            f"of {size:,} at {path}: save it with numpy.savez, uncompressed"
        )
    for key, name in names.items():
        try:
            _check_header(archive, name)
        except Exception as error:  # a broken archive can raise anything
            raise broken_array(key, error) from error


def broken_array(key: str, error: Exception) -> InvalidTask:
    """Return the complaint about the array called ``key``."""
    return InvalidTask(
        f"expected a numeric array in {key}, got pickled objects or broken data "
        f"({shorten(str(error), 160, placeholder=' …')}): save it again"
    )


def _check_header(archive: ZipFile, name: str) -> None:
    with archive.open(name) as member:
        version: Any = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise ValueError(f"version {version} of the format holds no plain numbers")
        shape, _, dtype = _HEADERS[version](member)
        claimed, held = math.prod(shape) * dtype.itemsize, archive.getinfo(name).file_size - member.tell()
    if dtype.hasobject:
        raise ValueError("objects are not read")
    if claimed != held or min(shape, default=0) < 0:
        raise ValueError(f"shape {shape} of {dtype} takes {claimed:,} bytes, got {held:,}")
