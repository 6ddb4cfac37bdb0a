"""From raw arrays to normalised tensors, in chunks that bound the memory on the way."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mse_rl.data.raw import Array
from mse_rl.errors import InvalidTask

_CHUNK_VALUES = 2**22


def as_float(x: Array, rows: NDArray[np.intp], side: int | None = None) -> Tensor:
    """Copy ``rows`` of ``x`` to a floating tensor, images resized to ``side`` x ``side`` if given.

    Wide types (float64, int64) stay float64: a large offset would drown the values in float32 before
    normalisation takes it out.
    """
    wide = np.result_type(x.dtype, np.float32).itemsize > 4
    shape = x.shape[1:] if side is None else (x.shape[1], side, side)
    out = torch.empty((len(rows), *shape), dtype=torch.float64 if wide else torch.float32)
    step = max(1, _CHUNK_VALUES // max(math.prod(shape), math.prod(x.shape[1:])))
    for start in range(0, len(rows), step):
        with np.errstate(over="ignore"):  # what float64 cannot hold is refused with the statistics
            chunk = x[rows[start : start + step]].astype(np.float64 if wide else np.float32)
        out[start : start + step] = _resize(torch.from_numpy(chunk), shape)
    return out


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel or feature, shaped to broadcast over ``x``.

    Steps of NaN, the padding of sequences (n, T, F), do not count. What is constant but for rounding has a
    deviation of 1, so that it becomes 0 and not noise.

    Raises:
        InvalidTask: the values are too large to square.
    """
    if x.ndim == 3:
        x = x[~x.isnan().any(dim=2)]  # (steps of all samples, F)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    deviation, mean = torch.std_mean(x, dim=axes, correction=0, keepdim=True)
    if not deviation.isfinite().all():
        raise InvalidTask(
            f"expected values that can be squared, got {x.nan_to_num(0).abs().max():.3g}: scale them down"
        )
    rounding = 8 * torch.finfo(x.dtype).eps * mean.abs()
    return mean, torch.where(deviation > rounding, deviation, 1)


def normalise_(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Overwrite ``x`` with (x - mean) / deviation, and return it in float32; padding stays NaN.

    Raises:
        InvalidTask: float32 cannot hold a value, so far is it from those of the training split.
    """
    out = x.sub_(mean).div_(deviation).to(torch.float32)
    if out.isinf().any():
        raise InvalidTask(
            "expected values of the size of the training samples', got some over 1e38 deviations from their "
            "mean: correct them or drop their samples"
        )
    return out


def _resize(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    if images.shape[1:] == shape:
        return images
    return F.interpolate(images, size=shape[1:], mode="bilinear", antialias=True, align_corners=False)
