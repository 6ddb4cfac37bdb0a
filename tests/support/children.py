"""Children in float64 whose every weight matters, and how to train them a little."""

from dataclasses import replace

import torch
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import Child, build_child
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import Architecture, Block, Link, Position, Stage
from mse_rl.training import make_optimizer
from mse_rl.training.recorder import SliceRecorder
from mse_rl.transformations import TRANSFORMATIONS, ChildStatistics, Probe, apply

SPACE = SearchSpace(max_blocks=16, max_width=32, quantum=2)
LINKS = (Link(Position(0, 0), Position(0, 1)), Link(Position(0, 0), Position(1, 1)))


def _recurrent(kind, inner):
    return Block(kind, inner, activation="none")


def _attention(heads):
    return Block("attention", 2 * heads, activation="none", head_width=2)


CNN = Architecture(
    "cnn",
    (2, 7, 6),
    3,
    (
        Stage(4, (Block("conv", 4, 3), Block("separable", 6, 5, "silu"))),
        Stage(6, (Block("conv", 4, 1, "gelu"), Block("conv", 6, 3)), 2),
    ),
    links=LINKS,
)
MLP = Architecture(
    "mlp",
    (3, 4),
    3,
    (
        Stage(4, (Block("linear", 4), Block("linear", 6, activation="tanh"))),
        Stage(6, (Block("linear", 4), Block("linear", 6))),
    ),
    links=LINKS,
)
RNN = Architecture(
    "rnn",
    (5, 3),
    3,
    (
        Stage(4, (_recurrent("gru", 4), _recurrent("lstm", 6))),
        Stage(6, (_recurrent("lstm", 4), _recurrent("gru", 6))),
    ),
    links=LINKS,
)
TRANSFORMER = Architecture(
    "transformer",
    (6,),
    3,
    (
        Stage(4, (_attention(2), Block("linear", 6, activation="gelu"))),
        Stage(6, (_attention(3), Block("linear", 4))),
    ),
    vocabulary=9,
    links=LINKS,
)
SERIES = replace(CNN, input_shape=(9, 2))
TEXT = replace(CNN, input_shape=(9,), vocabulary=9)
BAG = Architecture(
    "mlp",
    (9,),
    3,
    (
        Stage(4, (Block("linear", 4, activation="gelu"), Block("linear", 6, activation="tanh"))),
        Stage(6, (Block("linear", 4, activation="silu"), Block("linear", 6, activation="gelu"))),
    ),
    vocabulary=9,
    links=LINKS,
)
"""Bags of a few tokens are so alike that a rectifier would be on, or off, for all of them."""
CHILDREN = {
    "cnn": CNN,
    "cnn of sequences": SERIES,
    "cnn of tokens": TEXT,
    "mlp": MLP,
    "mlp of tokens": BAG,
    "rnn": RNN,
    "transformer": TRANSFORMER,
}
"""One of each family: two stages of two blocks, all kinds, a link within a stage and one across; of the
convolutional one for each kind of input.
"""
PRESERVING = [name for name, transformation in TRANSFORMATIONS.items() if transformation.preserving]
CHANGING = [name for name in TRANSFORMATIONS if name not in PRESERVING]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(architecture: Architecture, n: int = 64, seed: int = 1) -> torch.Tensor:
    """Return inputs; tokens and sequences end in padding here and there."""
    shape = (n, *architecture.input_shape)
    if architecture.vocabulary:
        return torch.randint(architecture.vocabulary, shape, generator=seeded(seed)).sort(
            dim=1, descending=True
        )[0]
    x = torch.randn(shape, generator=seeded(seed), dtype=torch.float64)
    if len(architecture.input_shape) == 2:
        steps = shape[1]
        lengths = torch.randint(1, steps + 1, (n, 1), generator=seeded(seed))
        x[torch.arange(steps) >= lengths] = torch.nan
    return x


def labels(architecture: Architecture, n: int = 64, seed: int = 1) -> torch.Tensor:
    return torch.randint(architecture.classes, (n,), generator=seeded(seed))


def born(architecture: Architecture, optimizer: str = "sgd", seed: int = 0) -> tuple[Child, Optimizer]:
    child = build_child(architecture, generator=seeded(seed), dtype=torch.float64)
    return child, make_optimizer(child, OptimizerConfig(optimizer, weight_decay=0.01))


@torch.no_grad()
def perturb_(child: Child, seed: int) -> None:
    """Move every weight and statistic: at birth a block adds nothing, and would hide what an edit breaks."""
    generator = seeded(seed)
    for parameter in child.parameters():
        scale = parameter[0].numel() ** -0.5 if parameter.dim() > 1 else 0.3
        parameter += 0.5 * scale * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    for name, buffer in child.named_buffers():
        noise = torch.randn(buffer.shape, generator=generator, dtype=torch.float64)
        if name.endswith("running_mean"):
            buffer += 0.3 * noise
        elif name.endswith("running_var"):
            buffer *= (0.3 * noise).exp()


def train_(child: Child, optimizer: Optimizer, steps: int, seed: int = 5) -> None:
    """Train on random labels."""
    child.train()
    x, y = samples(child.architecture, seed=seed), labels(child.architecture, seed=seed)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(child(x), y).backward()
        optimizer.step()


def trained(architecture: Architecture, optimizer: str = "sgd") -> tuple[Child, Optimizer]:
    """Return a child with momentum, whose every weight matters."""
    child, trainer = born(architecture, optimizer)
    perturb_(child, seed=4)
    train_(child, trainer, steps=2)
    perturb_(child, seed=6)
    return child, trainer


def watched(child: Child, steps: int = 1) -> ChildStatistics:
    """Return what a recorder sees in some training steps that change no weight."""
    recorder = SliceRecorder(child.train())
    for step in range(steps):
        x, y = (make(child.architecture, seed=11 + step) for make in (samples, labels))
        recorder.watch(x)
        child.zero_grad()
        F.cross_entropy(child(x), y).backward()
        recorder.read_gradients()
    return recorder.statistics()


def transform(name, target, child, optimizer, *, seed=9, **settings):
    """Apply a transformation; the same arguments as the library's, with the tests' space and probe."""
    architecture = child.architecture
    return apply(
        TRANSFORMATIONS[name],
        target,
        child,
        optimizer,
        space=SPACE,
        probe=Probe(samples(architecture, seed=2), labels(architecture, seed=2)),
        generator=seeded(seed),
        **settings,
    )


def choices(architecture, names=tuple(TRANSFORMATIONS)):
    """Return every (transformation, target) that changes the architecture and stays in the space."""
    edits = [
        (name, target, TRANSFORMATIONS[name].edit(architecture, target, SPACE))
        for name in names
        for target in TRANSFORMATIONS[name].targets(architecture)
    ]
    return [(name, target) for name, target, after in edits if after != architecture and SPACE.allows(after)]
