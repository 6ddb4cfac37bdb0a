"""Small problems of every kind of input, made by hand: easy, but not at once."""

from functools import lru_cache

import torch

from mse_rl.data import Split, Task

FAMILIES = ("cnn", "mlp", "rnn", "transformer")
KINDS = {"cnn": "image", "mlp": "vector", "rnn": "sequence", "transformer": "tokens"}
"""What the children of each family read here."""
FIRST_KINDS = {"cnn": "conv", "mlp": "linear", "rnn": "gru", "transformer": "attention"}
"""Of the first block of each family."""
SHAPES = {"image": (1, 8, 8), "vector": (6,), "sequence": (6, 4), "tokens": (8,)}


@lru_cache
def problem(kind, *, shape=None, classes=3, vocabulary=9, seed=0, samples=96):
    """Return a task in which every class has its own pattern, under noise; the same object every time."""
    generator = torch.Generator().manual_seed(seed)
    shape = shape or SHAPES[kind]
    vocabulary = vocabulary if kind == "tokens" else 0
    patterns = torch.randn(classes, *shape, generator=generator)
    words = torch.arange(classes) % (vocabulary - 2) + 2 if vocabulary else None

    def split(n):
        y = torch.arange(n) % classes
        if words is None:
            return Split(patterns[y] + 0.7 * torch.randn(n, *shape, generator=generator), y)
        x = torch.randint(2, vocabulary, (n, *shape), generator=generator)
        x = torch.where(torch.rand(x.shape, generator=generator) < 0.5, words[y].unsqueeze(1), x)
        lengths = torch.randint(4, shape[0] + 1, (n, 1), generator=generator)
        return Split(torch.where(torch.arange(shape[0]) < lengths, x, 0), y)

    name = f"{kind} of {shape}"
    return Task(name, kind, classes, split(samples), split(60), split(60), vocabulary=vocabulary)


def problem_for(family, **settings):
    """Return the task of a family."""
    return problem(KINDS[family], **settings)
