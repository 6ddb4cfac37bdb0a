"""Damage every kind of file that is loaded, and see what comes of it.

``python scripts/fuzzing/fuzz_files.py --cases 100000`` writes a table of the outcomes, and names each case
that is not as it should be; ``--loader NAME --case N`` plays one again.
"""

import argparse
import logging
import multiprocessing
import os
import resource
import shutil
import signal
import socket
import time
import traceback
import urllib.error
import urllib.request
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from damage import damaged, hostile_wholes
from loaders import Loader, loaders

from mse_rl.errors import MseRlError

SECONDS = 60
"""A case that takes longer hangs, or one that takes a sixth of it of the processor; most take a hundredth of
a second, but there may be others on the machine."""
BATCH = 200
WHOLE_SHARE = 0.06
"""Cases in which the file is no variant: pickles, bombs, pipes, devices."""
MORE_BYTES = 3 * 2**30
"""Address space that a case may take; what asks for more gets a MemoryError, and is seen."""


class Hang(BaseException):
    """A case that takes too long."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Hang after a time."""

    def ring(*_: Any) -> None:
        raise Hang

    for timer, number, share in (
        (signal.ITIMER_REAL, signal.SIGALRM, 1),
        (signal.ITIMER_PROF, signal.SIGPROF, 6),
    ):
        signal.signal(number, ring)
        signal.setitimer(timer, seconds / share)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.setitimer(signal.ITIMER_PROF, 0)


def special(path: Path, rng: Random) -> None:
    """Put something at ``path`` that is no regular file, or none that could be read."""
    match rng.randrange(8):
        case 0:
            os.mkfifo(path)
        case 1:
            path.symlink_to("/dev/zero")
        case 2:
            path.symlink_to("/dev/stdin")
        case 3:
            path.mkdir()
        case 4:
            path.symlink_to(path)
        case 5:
            server = socket.socket(socket.AF_UNIX)
            os.chdir(path.parent)
            server.bind(path.name)
            server.close()
        case 6:
            with path.open("wb") as file:
                file.truncate(40 * 2**30)
        case _:
            pass  # it is missing


def write_case(loader: Loader, case: int, seed: int, folder: Path, canary: Path) -> str:
    """Write the files of a case, and return which of them was damaged."""
    rng = Random(f"{seed} {loader.name} {case}")
    target = rng.choice(loader.targets)
    for name, content in loader.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != target:
            path.write_bytes(content)
    path, draw = folder / target, rng.random()
    if draw < WHOLE_SHARE / 3:
        special(path, rng)
    elif draw < WHOLE_SHARE:
        path.write_bytes(rng.choice(hostile_wholes(canary)))
    else:
        path.write_bytes(damaged(loader.files[target], loader.kinds, rng))
    return target


def outcome(loader: Loader, folder: Path, right: Any) -> str:
    """Load a case, and say what came of it in a word; other exceptions come with where they were raised."""
    try:
        with alarm(SECONDS):
            got = loader.load(folder)
    except MseRlError as error:
        return (
            "refused"
            if len(str(error).splitlines()) == 1 and len(str(error)) < 2_000
            else f"long: {error!r:.300}"
        )
    except Hang:
        return "hang"
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"other: {type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {error!s:.90}"
    if got is None:
        return "refused"
    if got == right:
        return "loaded, equal"
    return "altered" if loader.sealed and still_sealed(loader, folder) else "loaded, other"


def still_sealed(loader: Loader, folder: Path) -> bool:
    """Tell whether all damaged files still name a digest."""
    return all(b'"sha256"' in (folder / name).read_bytes() for name in loader.targets)


def no_network(*_: Any, **__: Any) -> Any:
    """Raise what a machine without a network raises."""
    raise urllib.error.URLError("no network")


def play_batch(loader: Loader, cases: range, seed: int, report: Any) -> None:
    """Play some cases, in a process of their own; tell before and after each."""
    urllib.request.urlopen = no_network
    os.close(0)
    os.open(os.devnull, os.O_RDONLY)
    logging.disable()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with TemporaryDirectory() as home:
        canary, right = Path(home) / "code_was_run", None
        for name, content in loader.files.items():
            path = Path(home) / "right" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        right = loader.load(Path(home) / "right")
        before = memory_peak_bytes()
        limit_address_space()
        for case in cases:
            folder = Path(home) / "case"
            folder.mkdir()
            write_case(loader, case, seed, folder, canary)
            report.send((case, None))
            said = outcome(loader, folder, right)
            os.chdir("/")
            report.send((case, "code run" if canary.exists() else said))
            shutil.rmtree(folder, ignore_errors=True)
        report.send((-1, str(memory_peak_bytes() - before)))


def memory_peak_bytes() -> int:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def limit_address_space() -> None:
    """Allow this process ``MORE_BYTES`` more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def run_batch(loader: Loader, cases: range, seed: int) -> tuple[Counter[str], dict[int, str], int]:
    """Play cases in a process; where it crashes, or is stuck in a library, another goes on behind that case.

    Returns:
        How often what came of them, those that are not as they should be, and the most memory taken.
    """
    counts, wrong, memory = Counter[str](), dict[int, str](), 0
    context = multiprocessing.get_context("fork")
    while cases:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=play_batch, args=(loader, cases, seed, sender))
        process.start()
        sender.close()
        for case, word in told(receiver, cases.start):
            if case < 0:
                memory, cases = max(memory, int(word)), cases[:0]
                continue
            counts[word.split(":")[0]] += 1
            cases = range(case + 1, cases.stop)
            if word not in ("refused", "loaded, equal", "loaded, other"):
                wrong[case] = word
        process.kill()
        process.join()
    return counts, wrong, memory


def told(receiver: Any, first: int) -> Iterator[tuple[int, str]]:
    """Yield cases and what came of each, until the process ends or is stuck."""
    running = first
    while True:
        try:
            if not receiver.poll(4 * SECONDS):
                yield running, "stuck"
                return
            case, word = receiver.recv()
        except EOFError:
            if running >= 0:
                yield running, "crash"
            return
        running = case
        if word is not None:
            yield case, word


def main() -> None:
    """Play all cases, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2_000, help="of all loaders together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--loader", default="", help="only those whose name has this in it")
    parser.add_argument("--case", type=int, help="play only this one, and show its traceback")
    config = parser.parse_args()
    logging.disable()
    found = [loader for loader in loaders() if config.loader in loader.name]
    if config.case is not None:
        with TemporaryDirectory() as home:
            target = write_case(found[0], config.case, config.seed, Path(home), Path(home) / "canary")
            print(
                target,
                (Path(home) / target).read_bytes()[:600] if (Path(home) / target).is_file() else "special",
            )
            print(str(found[0].load(Path(home)))[:300])
        return
    each, started = -(-config.cases // len(found)), time.monotonic()
    total, most = Counter[str](), 0
    print(
        "| loader | cases | refused | loaded, equal | loaded, other | wrong | most extra MB | seconds |\n"
        + "|---" * 8
        + "|"
    )
    for loader in found:
        counts, wrong, memory, begun = Counter[str](), dict[int, str](), 0, time.monotonic()
        for start in range(0, each, BATCH):
            one = run_batch(loader, range(start, min(each, start + BATCH)), config.seed)
            counts, wrong, memory = counts + one[0], wrong | one[1], max(memory, one[2])
        total, most = total + counts, max(most, memory)
        cells = [counts[word] for word in ("refused", "loaded, equal", "loaded, other")]
        print(f"| {loader.name} | {sum(counts.values()):,} | {' | '.join(map(str, cells))} | {len(wrong)} | "
              f"{memory / 1e6:.0f} | {time.monotonic() - begun:.0f} |", flush=True)  # fmt: skip
        seen = Counter(wrong.values())
        first = {word: case for case, word in reversed(wrong.items())}
        for word, count in seen.most_common(12):
            print(f"    {count} x {word} (case {first[word]})", flush=True)
    spent = time.monotonic() - started
    print(f"\n{sum(total.values()):,} cases in {spent:.0f} s; most extra {most / 1e6:.0f} MB: {dict(total)}")


if __name__ == "__main__":
    main()
