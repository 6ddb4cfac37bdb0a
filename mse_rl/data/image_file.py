"""One image file as pixels, whatever mode and depth it has."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mse_rl.data.raw import Array
from mse_rl.errors import InvalidTask
from mse_rl.files import FileKind

if TYPE_CHECKING:
    from PIL.Image import Image

_NAMES = "apng avif bmp dib gif jfif jp2 jpe jpeg jpg mpo pbm pfm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""What image files are called, in lower case."""
MOST_SMALL_PIXELS = 2**25
"""An image may have so many pixels in any case ..."""
MOST_PIXELS_PER_BYTE = 16
"""... or so many for each byte of its file; photos have one to ten, drawings seldom are so large."""
_IMAGE = FileKind("an image", InvalidTask, 2**30, "make it smaller")
_PHOTOMETRIC, _SAMPLE_FORMAT, _SIGNED = 262, 339, 2
"""Tags of TIFF, and a value of the second."""
_DEEP = 257
"""65,535 / 255: what 16 bits take to be in the units of 8."""


def read_image(file: Path, size: tuple[int, int] | None = None) -> Array:
    """Return one image (H, W, 3) in RGB, upright, and laid over white where it is transparent.

    It is uint8; or float32 if the file holds more than 8 bits a pixel: integers of 16 bits in the units of 8
    bits, and what is deeper as it is (see ``unknown_units``).

    Args:
        file: in any mode that Pillow opens; of several frames, the first is read.
        size: (W, H) to which the image is resized.

    Raises:
        InvalidTask: it cannot be decoded, has too many pixels, holds NaN or infinite values, or floats of
            which the least are white.
    """
    from PIL import Image, ImageOps  # late: only a folder of images needs it

    with _opened(file) as opened:
        tags = getattr(opened, "tag_v2", {})
        if opened.mode == "F" and _white_is_zero(tags):
            raise InvalidTask(f"expected floats of which 0 is black, got white: save {file} again, inverted")
        image = _plain(ImageOps.exif_transpose(opened), tags)
    if size is not None:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InvalidTask(f"expected finite values, got NaN or infinite ones: replace {file}")
    return pixels


def unknown_units(file: Path) -> str:
    """Return the mode of an image file that can be read if it does not say what white is: F for floats, I for
    whole numbers of 32 bits; or nothing.
    """
    with _opened(file) as opened:
        deep = opened.mode == "F" or (opened.mode == "I" and hasattr(opened, "tag_v2"))  # PNG and PGM have 16
        return opened.mode if deep else ""


@contextmanager
def _opened(file: Path) -> Iterator["Image"]:
    """Open an image whose pixels can be decoded.

    Raises:
        InvalidTask: there is none, it has too many pixels, or what is done meanwhile fails.
    """
    from PIL import Image

    with _IMAGE.open(file) as content, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata; what matters is refused
        try:
            with Image.open(content, formats=_formats()) as opened:
                _check_size(file, opened.width * opened.height)
                yield opened
        except Image.DecompressionBombError as error:
            raise InvalidTask(
                f"expected an image of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, got more: "
                f"make {file} smaller"
            ) from error
        except InvalidTask:
            raise
        except Exception as error:  # Pillow raises anything on a broken file
            raise InvalidTask(
                f"expected an image, got a file that cannot be decoded: replace {file}"
            ) from error


@lru_cache
def _formats() -> tuple[str, ...]:
    """Return the formats of what is called like an image; what others hold may be run, as PostScript is."""
    from PIL import Image

    known = Image.registered_extensions()
    return tuple(sorted({known[suffix] for suffix in SUFFIXES if suffix in known} & Image.OPEN.keys()))


def _check_size(file: Path, pixels: int) -> None:
    size = file.stat().st_size
    if pixels > max(MOST_SMALL_PIXELS, MOST_PIXELS_PER_BYTE * size):
        raise InvalidTask(
            f"expected an image of at most {MOST_SMALL_PIXELS:,} pixels, or {MOST_PIXELS_PER_BYTE} for each "
            f"byte, got {pixels:,} in {size:,} bytes: make {file} smaller"
        )


def _plain(image: "Image", tags: Mapping[int, Any]) -> "Image":
    """Return an image in mode RGB, or in mode F if it is deeper; ``tags`` are those of a TIFF file."""
    from PIL import Image, ImageCms

    if image.mode == "F":
        return image.copy()
    if image.mode == "I" and tags:
        signed = tags.get(_SAMPLE_FORMAT) in (_SIGNED, (_SIGNED,))
        return Image.fromarray(np.asarray(image).view(np.int32 if signed else np.uint32).astype(np.float32))
    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = _deep(image) / np.float32(_DEEP)
        return Image.fromarray(255 - deep if _white_is_zero(tags) else deep)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return image if converted is None else converted
    return image.convert("RGB")


def _white_is_zero(tags: Mapping[int, Any]) -> bool:
    return tags.get(_PHOTOMETRIC) == 0  # Pillow inverts images of up to 8 bits alone


def _deep(image: "Image") -> NDArray[np.float32]:
    """Return the pixels (H, W) of a grey image of more than 8 bits; what is transparent is white."""
    pixels = np.asarray(image).astype(np.float32)
    if isinstance(clear := image.info.get("transparency"), int):
        pixels[pixels == clear] = _DEEP * 255
    return pixels
