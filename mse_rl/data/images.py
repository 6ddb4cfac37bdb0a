"""One image file as pixels, whatever mode and depth it was saved in."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mse_rl.data.raw import Array
from mse_rl.errors import InvalidTask

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset(
    {".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tga", ".tif", ".tiff", ".webp"}
)
"""What image files are called, in lower case."""
_DEEP = 257
"""65,535 / 255: what 16 bits take to be in the units of 8."""


def read_image(file: Path, size: tuple[int, int] | None = None) -> Array:
    """Return one image (H, W, 3) in RGB, upright, and laid over white where it is transparent.

    It is uint8; or float32 if the file holds more than 8 bits a pixel: integers in the units of 8 bits, and
    floats as they are.

    Args:
        file: in any mode that Pillow opens; of several frames, the first is read.
        size: (W, H) to which the image is resized.

    Raises:
        InvalidTask: it cannot be decoded, has too many pixels for Pillow, or holds NaN or infinite values.
    """
    from PIL import Image, ImageOps  # late: only a folder of images needs it

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata; what matters is refused
            with Image.open(file) as opened:
                image = _plain(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise InvalidTask(
            f"expected an image of at most {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, got more: "
            f"make {file} smaller"
        ) from error
    except Exception as error:  # Pillow raises anything on a broken file
        raise InvalidTask(f"expected an image, got a file that cannot be decoded: replace {file}") from error
    if size is not None:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InvalidTask(f"expected finite values, got NaN or infinite ones: replace {file}")
    return pixels


def is_float(file: Path) -> bool:
    """Tell whether an image file that can be read holds floats, whose unit is not known."""
    from PIL import Image

    with Image.open(file) as opened:
        return opened.mode == "F"


def _plain(image: "Image") -> "Image":
    """Return an image in mode RGB, or in mode F if it is deeper."""
    from PIL import Image, ImageCms

    if image.mode == "F":
        return image.copy()
    if image.mode == "I" or image.mode.startswith("I;16"):
        return Image.fromarray(np.asarray(image).astype(np.float32) / _DEEP)
    if image.has_transparency_data:
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return image if converted is None else converted
    return image.convert("RGB")
