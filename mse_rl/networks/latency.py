"""Latency of a child: measured once for each architecture, and shared by the processes of a run."""

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import NamedTemporaryFile

import torch
from torch import Tensor

from mse_rl.costs.measures import Latency
from mse_rl.errors import InvalidConfig, InvalidRun
from mse_rl.networks import Child, build_child
from mse_rl.plain import from_plain, to_plain
from mse_rl.spec import UNKNOWN, Architecture


class LatencyFolder:
    """A file for every architecture, written once, whole, by the first process that has measured it.

    Args:
        path: of the folder, which is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def settle(self, architecture: Architecture, measure: Callable[[], Latency]) -> Latency:
        """Return the latency that was measured first, or measure it.

        Raises:
            InvalidRun: if it cannot be written: processes that disagree cannot go on from each other's
                children.
        """
        file = self._path / f"{hashlib.sha256(architecture.to_json().encode()).hexdigest()}.json"
        if file.exists():
            return _read(file)
        try:
            self._write(file, measure())
        except OSError as error:
            raise InvalidRun(
                f"workers have to share latencies, and {self._path} takes no file: {error.strerror}"
            ) from error
        return _read(file)

    def _write(self, file: Path, latency: Latency) -> None:
        with NamedTemporaryFile("w", dir=self._path, delete=False) as draft:
            try:
                json.dump(to_plain(latency), draft)
                draft.close()
                with suppress(FileExistsError):  # another was first
                    os.link(draft.name, file)
            finally:
                os.unlink(draft.name)


def _read(file: Path) -> Latency:
    latency: Latency = from_plain(Latency, json.loads(file.read_text()))
    return latency


WARM_UPS = 3
REPEATS = 7


class LatencyMeter:
    """Measures forward passes of newly built children in evaluation mode, in float32; each architecture once.

    Weights do not matter, and a child whose activation is fading counts as what it is about to be. On CPU
    a pass has the threads that torch has. What is measured differs from one process to the next, unless they
    share a folder: then the first to measure an architecture has measured it for all.

    Args:
        batch: samples in the batch that is passed.
        device: where.
        clock: returns seconds.
        folder: of what the processes of a run have measured.
    """

    def __init__(
        self,
        batch: int = 1,
        device: torch.device | str = "cpu",
        *,
        clock: Callable[[], float] = time.perf_counter,
        folder: LatencyFolder | None = None,
    ) -> None:
        self._batch, self._device, self._clock = batch, torch.device(device), clock
        self._folder = folder
        self._known: dict[Architecture, Latency] = {}

    def measure(self, architecture: Architecture) -> Latency:
        """Return the latency of an architecture, from memory where it has been measured before."""
        settled = architecture.settled()
        if settled not in self._known:
            measure = partial(self._measured, settled)
            self._known[settled] = self._folder.settle(settled, measure) if self._folder else measure()
        return self._known[settled]

    def within(self, folder: Path) -> "LatencyMeter":
        """Return a meter that knows what this one knows, and agrees with all others of ``folder``."""
        meter = LatencyMeter(self._batch, self._device, clock=self._clock, folder=LatencyFolder(folder))
        meter._known |= self._known
        return meter

    def _measured(self, architecture: Architecture) -> Latency:
        weights = torch.Generator(self._device).manual_seed(0)
        child = build_child(architecture, generator=weights, device=self._device).eval()
        child.compact_()
        try:
            samples = _samples(architecture, self._batch, self._device)
            self._pass_seconds(child, samples)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise InvalidConfig(
                f"latency of a batch of {self._batch:,} cannot be measured: {reason}; lower `latency_batch`"
            ) from error
        for _ in range(WARM_UPS - 1):
            self._pass_seconds(child, samples)
        seconds = [self._pass_seconds(child, samples) for _ in range(REPEATS)]
        low, median, high = quantiles(seconds, n=4, method="inclusive")
        return Latency(median, high - low)

    @torch.inference_mode()
    def _pass_seconds(self, child: Child, samples: Tensor) -> float:
        self._wait()
        start = self._clock()
        child(samples)
        self._wait()
        return self._clock() - start

    def _wait(self) -> None:
        """Wait until a GPU has finished."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _samples(architecture: Architecture, batch: int, device: torch.device) -> Tensor:
    """Return inputs of the right shape and type; tokens fill their sequences."""
    shape = (batch, *architecture.input_shape)
    if architecture.vocabulary:
        return torch.full(shape, UNKNOWN, device=device)
    return torch.zeros(shape, device=device)
