"""Random crops and flips of a batch, all at once and on the batch's own device."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mse_rl.config.training import TaskConfig
from mse_rl.data.checks import check_config, check_data
from mse_rl.data.normalisation import as_float, fit_bins, fit_series, normalise_, statistics
from mse_rl.data.pixels import white_of
from mse_rl.data.raw import AugmentationName, Features, Kind, Labels, RawData, class_numbers, listed, renumber
from mse_rl.data.split import Rows, Split, stratified_split
from mse_rl.errors import InvalidTask, counted


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training batch of images, made on the device.

    Args:
        crop: padding in pixels before a random crop back to size; 0 leaves the image in its place.
        flip: mirror left and right with probability 1/2.
    """

    crop: int = 0
    flip: bool = False


def augmentation_for(name: AugmentationName, resolution: int) -> Augmentation:
    """Return the named augmentation for images of ``resolution`` pixels: crops pad by a sixteenth of it, at
    least one pixel.
    """
    return Augmentation(
        crop=max(1, round(resolution / 16)) if "crop" in name else 0,
        flip="flip" in name,
    )


def augment(x: Tensor, augmentation: Augmentation, *, generator: torch.Generator) -> Tensor:
    """Crop and flip each image of a batch on its own.

    A crop pads with 0, the mean of normalised values, and cuts back to size at a random place.

    Args:
        x: images (n, C, H, W); left as it is.
        augmentation: what may be done; if nothing, ``x`` itself is returned and nothing is drawn.
        generator: decides all draws; may live on another device than ``x``.

    Returns:
        The augmented batch, of the shape, dtype and device of ``x``.

    Raises:
        InvalidTask: something is to be done and ``x`` is no batch of images.
    """
    if augmentation == Augmentation():
        return x
    if x.ndim != 4:
        raise InvalidTask(f"augmentation needs images (n, channels, height, width), got {tuple(x.shape)}")
    # One draw and one transfer for all three decisions; the modulo's bias is below 1e-7.
    draws = torch.randint(2**31, (3, len(x)), generator=generator, device=generator.device).to(x.device)
    if augmentation.crop:
        x = _crop(x, augmentation.crop, *(draws[:2] % (2 * augmentation.crop + 1)))
    if augmentation.flip:
        x = torch.where((draws[2] % 2 == 1)[:, None, None, None], x.flip(-1), x)
    return x


def _crop(x: Tensor, padding: int, top: Tensor, left: Tensor) -> Tensor:
    height, width = x.shape[2:]
    padded = F.pad(x, (padding,) * 4)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # (n, C, 2p+1, 2p+1, H, W), a view
    return windows[torch.arange(len(x), device=x.device), :, top, left]  # (n, C, H, W)


MAX_VALIDATION = 2_000
"""More samples make the estimate of a child's skill hardly better and every decision slower."""

_Normalised = tuple[list[Tensor], tuple[float, ...], tuple[float, ...], dict[str, Any]]
"""Inputs of train, validation and test; mean; deviation; how features were made of the inputs."""

_FITS: dict[Kind, Callable[[Tensor], Features]] = {"vector": fit_bins, "sequence": fit_series}
"""What learns from the training samples (n, …) how features are made of them, by kind."""


class Prepared(NamedTuple):
    """What a task is made of, but for its name; see ``Task``."""

    kind: Kind
    classes: int
    train: Split
    validation: Split
    test: Split
    augmentation: Augmentation
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    vocabulary: int
    encoding: dict[str, Any]


def prepare(raw: RawData, config: TaskConfig, log: Callable[[str], None]) -> Prepared:
    """Split raw data, and encode and normalise them by what the training split teaches.

    Args:
        raw: the data.
        config: how they are prepared.
        log: gets one line for each thing that the user might not expect.

    Raises:
        InvalidTask: they are broken, or too few.
    """
    for note in raw.notes:
        log(note)
    check_data(raw)
    check_config(raw, config)
    numbers = class_numbers(raw)
    renumbered = not np.array_equal(numbers, np.arange(len(numbers)))
    if renumbered:
        log(f"labels {listed(numbers.tolist())} are renumbered 0..{len(numbers) - 1}")
    y_train, y_test = renumber(raw.y_train, numbers), renumber(raw.y_test, numbers)
    train_rows, validation_rows = _split(y_train, config)
    raw, vocabulary, encoding = _encode(raw, train_rows)
    truth = raw.y_train.dtype.kind == "b"
    if (renumbered or truth) and not raw.classes:
        encoding["labels"] = (numbers.astype(bool) if truth else numbers).tolist()
    if config.resolution is not None:
        encoding["resized"] = list(raw.x_train.shape[2:])
    if raw.zero_padding:
        encoding["zero_padding"] = True
    if raw.kind == "image" and (white := raw.white or white_of(raw.x_train)):
        encoding["white"] = white
    tensors, mean, deviation, features = (_tokens if raw.kind == "tokens" else _normalised)(
        raw, train_rows, validation_rows, config
    )
    if raw.kind != "tokens" and (note := _about_constants(tensors[0], raw.kind)):
        log(note)
    labels = (y_train[train_rows], y_train[validation_rows], y_test)
    train, validation, test = (Split(x, torch.from_numpy(y)) for x, y in zip(tensors, labels, strict=True))
    augmentation = _augmentation(raw, config, train)
    splits = (train, validation, test)
    return Prepared(
        raw.kind, len(numbers), *splits, augmentation, mean, deviation, vocabulary, encoding | features
    )


def _encode(raw: RawData, train_rows: Rows) -> tuple[RawData, int, dict[str, Any]]:
    """Return the data in numbers, the vocabulary, and what it takes to encode raw inputs again."""
    record: dict[str, Any] = {"classes": list(raw.classes)} if raw.classes else {}
    if raw.encoder is None:
        return raw, 0, record
    encoding = raw.encoder.fit(raw.x_train[train_rows])
    raw = replace(raw, x_train=encoding(raw.x_train), x_test=encoding(raw.x_test), encoder=None)
    check_data(raw)
    return raw, encoding.vocabulary, encoding.record() | record


def _tokens(raw: RawData, train_rows: Rows, validation_rows: Rows, config: TaskConfig) -> _Normalised:
    ids = (raw.x_train[train_rows], raw.x_train[validation_rows], raw.x_test)
    return [torch.from_numpy(x) for x in ids], (), (), {}


def _normalised(raw: RawData, train_rows: Rows, validation_rows: Rows, config: TaskConfig) -> _Normalised:
    test_rows = np.arange(len(raw.x_test))
    x_train = as_float(raw.x_train, train_rows, config.resolution)
    features = _FITS[raw.kind](x_train) if raw.kind in _FITS else None
    x_train = features(x_train) if features else x_train
    mean, deviation = statistics(x_train)
    tensors = [normalise_(x_train, mean, deviation)]
    for x, rows in ((raw.x_train, validation_rows), (raw.x_test, test_rows)):
        floats = as_float(x, rows, config.resolution)
        tensors.append(normalise_(features(floats) if features else floats, mean, deviation))
    record = features.record() if features else {}
    return tensors, tuple(mean.flatten().tolist()), tuple(deviation.flatten().tolist()), record


_ALIKE = 1e-6
"""What differs by less, in deviations, is constant."""


def _about_constants(x: Tensor, kind: Kind) -> str:
    """Return a note if normalised inputs (n, …), or features of vectors, are constant, or nothing."""
    channel = 1 if kind == "image" else x.ndim - 1
    axes = [axis for axis in range(x.ndim) if axis != channel]
    constant = (x.amax(axes) - x.amin(axes) < _ALIKE).nonzero().flatten().tolist()
    if len(constant) == x.shape[channel]:
        return "all training inputs are the same, so that nothing can be learnt: check how they were made"
    if constant and kind == "vector":
        return f"of no use, as constant: {len(constant):,} of {counted(x.shape[1], 'feature')}"
    return ""


def _split(y: Labels, config: TaskConfig) -> tuple[Rows, Rows]:
    """Return rows of train and validation: each class is in both, and max_train bounds their sum."""
    rng = np.random.default_rng(config.split_seed)
    classes = len(np.unique(y))
    rows: Rows = np.arange(len(y))
    if config.max_train is not None and config.max_train < len(y):
        if config.max_train < 2 * classes:
            raise InvalidTask(
                f"expected `max_train` of at least {2 * classes}, one sample of each of {classes} classes "
                f"to train and one to validate on, got {config.max_train}: raise it"
            )
        rows, _ = stratified_split(y, config.max_train, rng=rng, least=2, leave=0)
    wanted = min(round(config.validation_fraction * len(rows)), MAX_VALIDATION)
    total = min(max(wanted, classes), len(rows) - classes)
    validation, train = stratified_split(y[rows], total, rng=rng)
    return rows[train], rows[validation]


def _augmentation(raw: RawData, config: TaskConfig, train: Split) -> Augmentation:
    if raw.kind != "image":
        return Augmentation()
    name = raw.augmentation if config.augment == "auto" else config.augment
    return augmentation_for(name, min(train.x.shape[2:]))
