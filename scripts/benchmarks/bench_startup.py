"""How long ``mse-rl --help`` takes, against the bare interpreter in the same run.

    python scripts/benchmarks/bench_startup.py

Prints one JSON object: median seconds of both, and their ratio.
"""

import json
import statistics
import subprocess
import sys
import time

RUNS = 11
HELP = [sys.executable, "-c", "from mse_rl.cli import main; main(['--help'])"]
BARE = [sys.executable, "-c", "pass"]


def main() -> None:
    """Time both in turn, so that drift of the machine meets both alike."""
    seconds: dict[str, list[float]] = {"help": [], "bare": []}
    for _ in range(RUNS):
        for name, command in (("help", HELP), ("bare", BARE)):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {f"{name}_seconds": round(statistics.median(values), 3) for name, values in seconds.items()}
    print(json.dumps(medians | {"ratio": round(medians["help_seconds"] / medians["bare_seconds"], 1)}))


if __name__ == "__main__":
    main()
