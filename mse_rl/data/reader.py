"""Inputs as a child reads them, of raw ones that its task has never seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mse_rl.data.cells import Writing
from mse_rl.data.checks import check_finite, check_numbers
from mse_rl.data.inputs import channels_first
from mse_rl.data.normalisation import Bins, SeriesScaling, as_float, normalise_
from mse_rl.data.pixels import WHITES, in_units, with_channels
from mse_rl.data.raw import Array, Encoding, Features, Kind, array_of, fit_length, mark_padding
from mse_rl.data.table import TableEncoding
from mse_rl.data.tokens import IdEncoding, KnownIds, TextEncoding, ids_of
from mse_rl.errors import InvalidTask, brief, counted
from mse_rl.plugins import in_short
from mse_rl.spec.architecture import LARGEST

Record = Mapping[str, Any]
MOST_VALUES = 2**26
"""Of one sample."""


@dataclass(frozen=True)
class InputReader:
    """Encodes and normalises raw inputs as the training split of a task has taught.

    Args:
        kind: what one sample is.
        shape: of one sample, as the child reads it.
        mean, deviation: per channel or encoded feature.
        encoding: as ``Task.encoding``.
    """

    kind: Kind
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    encoding: Record

    @classmethod
    def of_record(cls, record: Record) -> "InputReader":
        """Return the reader that ``input`` in growth.json describes.

        Raises:
            KeyError, TypeError, ValueError: if it describes none.
        """
        reader = cls(
            record["kind"],
            tuple(map(int, record["shape"])),
            tuple(map(float, record["mean"])),
            tuple(map(float, record["deviation"])),
            dict(record["encoding"]),
        )
        if reader.white not in (None, *WHITES):
            raise ValueError(f"expected white to be one of {WHITES}, got {brief(reader.white)}")
        if reader._reads not in _GIVEN:
            raise ValueError(f"expected one of {', '.join(_GIVEN)}, got {reader._reads!r}")
        reader._check_sizes()
        features = 0 if reader.kind == "tokens" else reader.shape[0 if reader.kind == "image" else -1]
        if (len(reader.mean), len(reader.deviation)) != (features, features):
            raise ValueError(f"expected {features} means and deviations, got {len(reader.mean)}")
        if not np.isfinite([*reader.mean, *reader.deviation]).all() or min(reader.deviation, default=1) <= 0:
            raise ValueError("expected finite means and positive deviations")
        reader._try()
        return reader

    def _check_sizes(self) -> None:
        """Raise unless what is read and made of it fits into memory."""
        encoder, sides = self._encoder(), self.encoding.get("resized", ())
        sizes = [*self.shape, *sides, self.vocabulary, getattr(encoder, "length", 1)]
        if not all(isinstance(size, int) and 0 <= size <= LARGEST for size in sizes):
            raise ValueError(f"expected sizes up to {LARGEST:,}, got {brief(sizes)}")
        if max(prod(self.shape), prod(sides)) > MOST_VALUES:
            raise ValueError(f"expected samples of at most {MOST_VALUES:,} values, got {self.shape}")

    def _try(self) -> None:
        """Read a mean sample, so that a record that is broken is found now."""
        try:
            self(_SAMPLES[self._reads](self))
            hash((self.names, self.classes))
        except InvalidTask as error:
            raise ValueError(str(error)) from error

    @property
    def vocabulary(self) -> int:
        """Number of token ids; 0 where inputs are not tokens."""
        encoder = self._encoder()
        return encoder.vocabulary if encoder else 0

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the token ids or features that the child reads, in order; None if they have none."""
        encoder, features = self._encoder(), self._features()
        names = encoder.names if encoder else None
        return features.named(names) if features and names else names

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes, in order; None if they have none."""
        return tuple(self.encoding["classes"]) if self.encoding.get("classes") else None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of a table that are read; none where inputs are no rows of tables."""
        record = self.encoding
        if self._reads == "table":
            return (*record["numeric"], *record["categorical"])
        return (str(record["column"]),) if self._reads == "text" else ()

    @property
    def white(self) -> int | None:
        """What white is in the training images, if that is known."""
        return self.encoding.get("white")

    def __call__(self, x: Any, *, white: int | None = None) -> Tensor:
        """Return inputs (n, *shape) of raw ones.

        Args:
            x: images (n, H, W), (n, C, H, W) or (n, H, W, C), brought to the units of the training images
                (see ``in_units``); vectors (n, F); sequences (n, T, F); token ids (n, T); texts, a sequence
                of strings; rows of a table, a sequence of mappings from column to value, or strings (n,
                columns) in the order of the encoding.
            white: what it is in images ``x``; told by their dtype and values if None.

        Raises:
            InvalidTask: they are none of these, or of another size.
        """
        encode = self._encoder()
        given = _GIVEN[self._reads](self, x)
        raw = encode(given) if encode else given
        if self.kind == "image":
            raw = in_units(raw, self.white, white) if self.white else raw
            raw = with_channels(raw, self.shape[0], self.white)
        if self.kind == "tokens":
            return torch.from_numpy(raw)
        resized = self.kind == "image" and raw.shape[2:] != self.shape[1:]
        floats = as_float(raw, np.arange(len(raw)), self.shape[1] if resized else None)
        features = self._features()
        floats = features(floats) if features else floats
        mean, deviation = (self._along(values, floats.dtype) for values in (self.mean, self.deviation))
        inputs = normalise_(floats, mean, deviation)
        if inputs.shape[1:] != self.shape:
            raise InvalidTask(f"expected inputs that become {self.shape}, got {tuple(inputs.shape[1:])}")
        return inputs

    def _along(self, values: tuple[float, ...], dtype: torch.dtype) -> Tensor:
        tensor = torch.tensor(values, dtype=dtype)
        return tensor.view(1, -1, 1, 1) if self.kind == "image" else tensor

    @property
    def _reads(self) -> str:
        """What is given: what the encoding reads, or what one sample is."""
        return str(self.encoding.get("reads", self.kind))

    def _encoder(self) -> Encoding | None:
        return _ENCODINGS[self._reads](self.encoding) if self._reads in _ENCODINGS else None

    def _features(self) -> Features | None:
        if "bins" in self.encoding:
            return Bins(tuple(tuple(map(float, edges)) for edges in self.encoding["bins"]))
        if "series" in self.encoding:
            series = self.encoding["series"]
            return SeriesScaling(tuple(series["middle"]), tuple(series["spread"]), bool(series["shapes"]))
        return None


_ENCODINGS: dict[str, Callable[[Record], Encoding]] = {
    "text": lambda record: TextEncoding(record["column"], tuple(record["words"]), int(record["length"])),
    "ids": lambda record: IdEncoding(int(record["largest"]), int(record["length"])),
    "token ids": lambda record: KnownIds(int(record["vocabulary"]), int(record["length"])),
    "table": lambda record: TableEncoding(
        tuple((name, float(mean)) for name, mean in record["numeric"].items()),
        tuple((name, tuple(known)) for name, known in record["categorical"].items()),
        {name: Writing(**writing) for name, writing in record.get("written", {}).items()},
    ),
}


def _listed(x: Any) -> list[Any]:
    if hasattr(x, "to_dict"):  # a table of pandas
        return list(x.to_dict("records") if hasattr(x, "columns") else x)
    if isinstance(x, str | bytes | Mapping):
        raise InvalidTask("expected several samples, got one: put a single one into a list")
    try:
        return list(x)
    except TypeError as error:
        raise InvalidTask(f"expected a sequence of samples, got {type(x).__name__}") from error


def _texts(reader: InputReader, x: Any) -> Array:
    column = reader.encoding["column"]
    texts = [row.get(column) if isinstance(row, Mapping) else row for row in _listed(x)]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidTask(
            f"expected texts, a sequence of strings or of rows with column {column}, got others among them"
        )
    return np.array(texts, dtype=object)


def _ids(reader: InputReader, x: Any) -> Array:
    return ids_of("x", array_of("x", x))


def _rows(reader: InputReader, x: Any) -> Array:
    numeric, columns = reader.encoding["numeric"], reader.columns
    names = brief(", ".join(columns))
    cells = np.full((len(rows := _listed(x)), len(columns)), "", dtype=object)
    for place, row in enumerate(rows):
        if isinstance(row, Mapping):
            if missing := [column for column in columns if column not in row]:
                raise InvalidTask(f"expected the columns {names}, got none called {missing[0]}")
            row = [row[column] for column in columns]
        if isinstance(row, str) or not isinstance(row, Sequence | np.ndarray) or len(row) != len(columns):
            raise InvalidTask(f"expected rows of the columns {names}, got {in_short(row)}")
        cells[place] = [
            float(value) if column in numeric and isinstance(value, Real) else _cell(value)
            for column, value in zip(columns, row, strict=True)
        ]
    return cells


_GAPS_OF_PANDAS = ("<NA>", "NaT")


def _cell(value: Any) -> str:
    """Return a value as a file would have it: 1.0 is 1, None, NaN and those of pandas are gaps."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    if str(value) in _GAPS_OF_PANDAS:
        return ""
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _images(reader: InputReader, x: Any) -> Array:
    given = array_of("x", x)
    sizes = [tuple(reader.encoding.get("resized", reader.shape[1:])), reader.shape[1:]]
    channels, (height, width) = reader.shape[0], sizes[0]
    if _is_one(given.shape, channels, sizes):
        raise InvalidTask(
            f"expected several images, got what can be one, of shape {given.shape}: put a single one into a "
            "list, or give grey ones an axis for their channel"
        )
    x = channels_first("x", given)
    fitting = with_channels(x, channels, reader.white)
    if fitting.shape[1] != channels or x.shape[2:] not in sizes:
        raise InvalidTask(
            f"expected images of {counted(channels, 'channel')} and {width}x{height} pixels, got "
            f"{counted(x.shape[1], 'channel')} and {x.shape[3]}x{x.shape[2]}: resize or convert them"
        )
    return _numbers("x", x, "image")


def _is_one(shape: tuple[int, ...], channels: int, sizes: Sequence[tuple[int, ...]]) -> bool:
    """Return whether an array may be one image: grey, or of several channels, which are first or last."""
    if len(shape) != 3 or (channels == 1 and shape[1:] in sizes):
        return shape in sizes
    return (shape[0] == channels and shape[1:] in sizes) or (shape[:2] in sizes and shape[1:] not in sizes)


def _vectors(reader: InputReader, x: Any) -> Array:
    return _numbers("x", array_of("x", x), "vector", len(reader.encoding.get("bins", reader.mean)))


def _sequences(reader: InputReader, x: Any) -> Array:
    features = len(reader.encoding["series"]["middle"]) if "series" in reader.encoding else reader.shape[1]
    x = fit_length(_numbers("x", array_of("x", x), "sequence", features), reader.shape[0])
    return mark_padding(x) if reader.encoding.get("zero_padding") else x


def _numbers(key: str, x: Array, kind: Kind, features: int | None = None) -> Array:
    check_numbers(key, x, kind)
    check_finite(key, x, kind)
    if features is not None and x.shape[-1] != features:
        raise InvalidTask(
            f"expected {counted(features, 'feature')} of each {kind}, got {x.shape[-1]}: give the same ones"
        )
    return x


_GIVEN: dict[str, Callable[[InputReader, Any], Array]] = {
    "image": _images,
    "vector": _vectors,
    "sequence": _sequences,
    "text": _texts,
    "ids": _ids,
    "token ids": _ids,
    "table": _rows,
}
"""What becomes an array of what is given."""


def _mean_image(reader: InputReader) -> Array:
    sides = reader.encoding.get("resized", reader.shape[1:])
    return np.broadcast_to(np.reshape(reader.mean, (1, -1, 1, 1)), (1, len(reader.mean), *sides))


def _mean_vector(reader: InputReader) -> Array:
    return np.array([reader.mean[: len(reader.encoding.get("bins", reader.mean))]])


def _mean_sequence(reader: InputReader) -> Array:
    series = reader.encoding.get("series")
    return np.array([[series["middle"] if series else reader.mean]], dtype=np.float64)


_SAMPLES: dict[str, Callable[[InputReader], Any]] = {
    "image": _mean_image,
    "vector": _mean_vector,
    "sequence": _mean_sequence,
    "text": lambda reader: [""],
    "ids": lambda reader: [[0]],
    "token ids": lambda reader: [[0]],
    "table": lambda reader: [
        [None] * (len(reader.encoding["numeric"]) + len(reader.encoding["categorical"]))
    ],
}
"""What is read as a mean sample, or as an empty one."""
