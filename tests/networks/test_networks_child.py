import pytest
import torch
from hypothesis import given
from strategies import architectures
from torch import nn

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.errors import InvalidArchitecture
from mse_rl.networks import build_child
from mse_rl.networks.mlp import RMSNorm

CNN = Architecture("cnn", (1, 8, 8), 10, (Stage(4, (Block("conv", 4, 3),)), Stage(8, (Block("conv", 8, 3),))))
MLP = Architecture("mlp", (5, 2), 3, (Stage(4, (Block("linear", 6),)), Stage(6, (Block("linear", 4),))))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(architecture, n=16):
    return torch.randn(n, *architecture.input_shape, generator=seeded(1))


@given(architectures())
def test_a_new_child_adds_nothing_in_its_blocks_and_gives_finite_logits(architecture):
    child = build_child(architecture, generator=seeded()).train()
    inputs = {}
    for position, block in child.blocks():
        block.register_forward_hook(lambda _, args, out, p=position: inputs.update({p: (args[0], out)}))
    logits = child(batch(architecture))
    assert logits.shape == (16, architecture.classes)
    assert logits.isfinite().all()
    assert list(inputs) == [position for position, _ in architecture]
    assert all(torch.equal(before, after) for before, after in inputs.values())


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
def test_the_generator_alone_decides_the_weights(architecture):
    def weights(seed):
        child = build_child(architecture, generator=seeded(seed))
        return torch.cat([parameter.detach().flatten() for parameter in child.parameters()])

    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)  # a global generator in another state
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
def test_every_tensor_has_the_dtype_asked_for(architecture):
    child = build_child(architecture, generator=seeded(), dtype=torch.float64)
    assert {t.dtype for t in child.state_dict().values() if t.is_floating_point()} == {torch.float64}
    assert all(p.requires_grad and p.is_leaf for p in child.parameters())


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
def test_every_weight_is_reached_by_training(architecture):
    child = build_child(architecture, generator=seeded()).train()
    with torch.no_grad():
        for parameter in child.parameters():  # a block's last map is zero at birth, and hides the rest
            parameter += 0.1 * torch.randn(parameter.shape, generator=seeded(2))
    nn.functional.cross_entropy(
        child(batch(architecture)), torch.arange(16) % architecture.classes
    ).backward()
    assert [name for name, p in child.named_parameters() if not p.grad.any()] == []


def test_rms_norm_is_what_torch_computes():
    norm = RMSNorm(6)
    norm.birth_(seeded())
    x = torch.randn(5, 6, generator=seeded(3))
    with torch.no_grad():
        norm.weight.copy_(torch.rand(6, generator=seeded(4)))
    torch.testing.assert_close(norm(x), nn.functional.rms_norm(x, (6,), norm.weight, eps=1e-5))


@pytest.mark.parametrize(
    "stranger",
    [
        Architecture("rnn", (5, 2), 3, MLP.stages),
        Architecture("mlp", (5, 2), 3, CNN.stages),
        Architecture("mlp", (5, 2), 3, (Stage(4, (Block("linear", 4, activation="gelu2"),)),)),
        Architecture("cnn", (5,), 3, CNN.stages),
    ],
    ids=["family", "kind", "activation", "input"],
)
def test_an_architecture_that_no_child_can_have_is_refused(stranger):
    """An architecture may come from a file, so all that it names must be checked somewhere."""
    with pytest.raises(InvalidArchitecture):
        build_child(stranger, generator=seeded())
