"""What white is in an array of images, and how images in other units are brought to those of training."""

import numpy as np

from mse_rl.data.raw import Array

WHITE_OF_SHARES, WHITE_OF_8_BITS, WHITE_OF_16_BITS = WHITES = 1, 255, 65_535
"""White of floats from 0 to 1, and of whole numbers of 8 and 16 bits."""
_WHITE_OF: dict[str, int] = {"uint8": WHITE_OF_8_BITS, "uint16": WHITE_OF_16_BITS}


def white_of(x: Array) -> int | None:
    """Return what white is in training images ``x`` (n, …) of numbers, None if it cannot be told.

    It is 1 where all values are from 0 to 1, and else the largest that uint8 or uint16 holds; but not where
    no value is above half of it, as pixels may have fewer bits.
    """
    white = WHITE_OF_SHARES if _are_shares(x) else _WHITE_OF.get(x.dtype.name)
    return white if white and x.max() > white / 2 else None


def in_units(x: Array, white: int, given: int | None = None) -> Array:
    """Return images (n, …) in the units in which white is ``white``.

    Args:
        x: the images.
        white: of the training images.
        given: white in ``x``; if None, it is told by dtype and values: uint8 and uint16 hold 8 and 16 bits,
            floats that are all from 0 to 1 are shares of white, other whole numbers are of 16 bits if they
            need more than 8 and than those of training, and all else is in the right units already.
    """
    given = _given(x, white) if given is None else given
    return x if given == white else x / np.float32(given / white)


def _given(x: Array, white: int) -> int:
    if x.dtype.kind == "b":
        return WHITE_OF_SHARES
    if x.dtype.kind == "f":
        return WHITE_OF_SHARES if _are_shares(x) else white
    if white == WHITE_OF_SHARES and _are_shares(x):  # masks of 0 and 1
        return white
    fitting = (most for most in (white, WHITE_OF_8_BITS) if x.max() <= most)
    return _WHITE_OF.get(x.dtype.name) or next(fitting, WHITE_OF_16_BITS)


def _are_shares(x: Array) -> bool:
    return bool(x.min() >= 0 and x.max() <= 1)


def with_channels(x: Array, channels: int, white: int | None) -> Array:
    """Return images (n, C, H, W) with as many channels as a child reads, as they are if that cannot be.

    Grey images get three equal channels, three equal ones are one of grey, and what is transparent is laid
    over white, as in files.
    """
    if (x.shape[1], channels) == (1, 3):
        return np.repeat(x, 3, axis=1)
    if (x.shape[1], channels) == (3, 1) and (x == x[:, :1]).all():
        return x[:, :1]
    if (x.shape[1], channels) == (4, 3) and white is not None:
        opaque = x[:, 3:] / np.float32(white)
        return np.asarray(x[:, :3] * opaque + white * (1 - opaque))
    return x
