"""What the first child of each family can tell of a series: local patterns, and their order.

A pattern is four steps long and sums to zero. In `patterns` the class is which of two stands in the noise; in
`order` both do, and the class is which comes first. No single step tells anything, nor does their mean.

Convolutions and recurrence tell both. The first transformer looks at single steps, of which it knows the
place: it tells neither better than chance, 50%.
"""

import pytest
import torch
from support.children import seeded
from support.schedules import rates

from mse_rl.config.training import OptimizerConfig
from mse_rl.data import Split, Task
from mse_rl.networks import build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.training import BatchOrder, make_optimizer, train_slice_
from mse_rl.training.evaluation import evaluate

STEPS, LENGTH, NOISE = 24, 4, 0.3
PATTERNS = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])


def series(places, patterns, generator):
    """Return noise (n, STEPS, 1) with ``patterns`` (n, p) added from ``places`` (n, p) on."""
    x = NOISE * torch.randn(len(places), STEPS, generator=generator)
    for place, pattern in zip(places.unbind(1), patterns.unbind(1), strict=True):
        x.scatter_add_(1, place.unsqueeze(1) + torch.arange(LENGTH), PATTERNS[pattern])
    return x.unsqueeze(2)


def patterns(n, generator):
    y = torch.arange(n) % 2
    places = torch.randint(STEPS - LENGTH + 1, (n, 1), generator=generator)
    return Split(series(places, y.unsqueeze(1), generator), y)


def order(n, generator):
    y = torch.arange(n) % 2
    slots = torch.rand(n, STEPS // LENGTH - 1, generator=generator).argsort(1)[:, :2].sort(1).values
    places = LENGTH * slots + torch.randint(LENGTH, (n, 1), generator=generator)
    return Split(series(places, torch.stack([y, 1 - y], 1), generator), y)


def accuracy(family, make, steps):
    """Return the test accuracy of a first child, never grown."""
    generator = seeded()
    task = Task(make.__name__, "sequence", 2, *(make(n, generator) for n in (1000, 500, 500)))
    first = starting_architecture(family, task.inputs, SearchSpace())
    child, config = build_child(first, generator=seeded()), OptimizerConfig().of(family)
    data = BatchOrder(len(task.train), 32, seed=0, device="cpu")
    train_slice_(
        child,
        make_optimizer(child, config),
        task,
        data,
        steps=range(steps),
        rates=rates(range(steps), steps, config),
        config=config,
        seed=0,
    )
    return evaluate(child, task.test).accuracy


@pytest.mark.parametrize(("family", "steps"), [("cnn", 400), ("rnn", 600)])
@pytest.mark.parametrize("make", [patterns, order])
def test_convolutions_and_recurrence_tell_patterns_and_their_order(family, steps, make):
    assert accuracy(family, make, steps) >= 0.99


@pytest.mark.parametrize("make", [patterns, order])
def test_the_first_transformer_tells_neither(make):
    assert accuracy("transformer", make, 200) < 0.6
