"""Children in float64 whose every weight matters, and how to train them a little."""

import torch
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.config import OptimizerConfig
from mse_rl.networks import Child, build_child
from mse_rl.search_space import SearchSpace
from mse_rl.training import make_optimizer
from mse_rl.transformations import TRANSFORMATIONS, apply

SPACE = SearchSpace(max_blocks=16, max_width=32, quantum=2)
CNN = Architecture(
    "cnn",
    (2, 7, 6),
    3,
    (
        Stage(4, (Block("conv", 4, 3), Block("conv", 6, 5))),
        Stage(6, (Block("conv", 4, 1), Block("conv", 6, 3))),
    ),
)
MLP = Architecture(
    "mlp",
    (3, 4),
    3,
    (
        Stage(4, (Block("linear", 4), Block("linear", 6))),
        Stage(6, (Block("linear", 4), Block("linear", 6))),
    ),
)
GROWING = [name for name, transformation in TRANSFORMATIONS.items() if transformation.scope == "block"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(architecture: Architecture, n: int = 64, seed: int = 1) -> torch.Tensor:
    return torch.randn(n, *architecture.input_shape, generator=seeded(seed), dtype=torch.float64)


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
    x = samples(child.architecture, seed=seed)
    y = torch.randint(child.architecture.classes, (len(x),), generator=seeded(seed))
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(child(x), y).backward()
        optimizer.step()


def transform(name, target, child, optimizer, *, seed=9):
    """Apply a transformation; the same arguments as the library's, with the tests' space and probe."""
    return apply(
        TRANSFORMATIONS[name],
        target,
        child,
        optimizer,
        space=SPACE,
        probe=samples(child.architecture, seed=2),
        generator=seeded(seed),
    )
