"""How many samples an evaluation batch should have: whether ``evaluation_batch_size`` is right.

    python scripts/benchmarks/bench_evaluation.py
    python scripts/benchmarks/bench_evaluation.py --device cuda

The first children of all families, and wider ones, are evaluated on random data, in batches of different
sizes that take turns; one thread. Prints a line of JSON for each child: MFLOPs of a forward pass of a
sample, the size that is chosen, and for it and others the median time over that of the best.
"""

import json
import statistics
import time
from dataclasses import dataclass, replace

import torch
import tyro

from mse_rl.costs import cost
from mse_rl.data import Split
from mse_rl.networks import Child, build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import Inputs
from mse_rl.training.evaluation import evaluate_with_logits, evaluation_batch_size

CHILDREN = {
    "cnn, 8x8": ("cnn", Inputs((1, 8, 8), 0, 10)),
    "cnn, 28x28": ("cnn", Inputs((1, 28, 28), 0, 10)),
    "mlp, 784 features": ("mlp", Inputs((784,), 0, 10)),
    "rnn, 35 tokens": ("rnn", Inputs((35,), 2000, 6)),
    "transformer, 35 tokens": ("transformer", Inputs((35,), 2000, 6)),
}


@dataclass(frozen=True)
class Arguments:
    """What is timed."""

    children: tuple[str, ...] = tuple(CHILDREN)
    widths: tuple[int, ...] = (4, 32)
    """Of the children's first streams."""
    batches: tuple[int, ...] = (32, 64, 128, 256, 512, 1024, 2048)
    samples: int = 4096
    rounds: int = 5
    device: str = "cpu"


def main(arguments: Arguments) -> None:
    """Print a line of JSON for every child."""
    torch.set_num_threads(1)
    for name in arguments.children:
        family, inputs = CHILDREN[name]
        for width in arguments.widths:
            architecture = starting_architecture(family, inputs, replace(SearchSpace(), start_width=width))
            generator = torch.Generator(arguments.device).manual_seed(0)
            child = build_child(architecture, generator=generator, device=arguments.device)
            figures = _figures(child, _split(inputs, arguments), arguments)
            mflops = round(cost(architecture).flops / 1e6, 3)
            print(json.dumps({"child": name, "mflops": mflops} | figures), flush=True)


def _split(inputs: Inputs, arguments: Arguments) -> Split:
    shape = (arguments.samples, *inputs.shape)
    x = torch.randint(inputs.vocabulary, shape) if inputs.vocabulary else torch.randn(shape)
    return Split(x, torch.arange(arguments.samples) % inputs.classes).to(arguments.device)


def _figures(child: Child, split: Split, arguments: Arguments) -> dict[str, float]:
    chosen = evaluation_batch_size(child.architecture, split.device)
    seconds: dict[int, list[float]] = {batch: [] for batch in {chosen, *arguments.batches}}
    for _ in range(1 + arguments.rounds):  # the first round warms up
        for batch, times in seconds.items():
            start = time.perf_counter()
            evaluate_with_logits(child, split, samples=0, batch_size=batch)
            times.append(time.perf_counter() - start)
    medians = {batch: statistics.median(times[1:]) for batch, times in seconds.items()}
    best = min(medians.values())
    figures = {f"batch_{batch}_over_best": round(medians[batch] / best, 3) for batch in arguments.batches}
    return {"chosen": chosen, "chosen_over_best": round(medians[chosen] / best, 3)} | figures


if __name__ == "__main__":
    main(tyro.cli(Arguments))
