"""A grown child that is written and read again gives the same outputs, bit for bit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from support.children import CHILDREN, SPACE, choices, labels, perturb_, samples, seeded, trained, transform
from support.strategies import FAMILY_NAMES, of_family

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import build_child, empty_child
from mse_rl.spec.architecture import Architecture
from mse_rl.tensors import laid_out
from mse_rl.training import make_optimizer
from mse_rl.transformations import TRANSFORMATIONS, Probe, apply


def read_again(child):
    """Return the child that JSON and tensors tell of."""
    tensors = load(save({name: tensor.contiguous() for name, tensor in child.state_dict().items()}))
    again = empty_child(Architecture.from_json(child.architecture.to_json()))
    made = again.state_dict()  # how it lies in memory decides the rounding
    again.load_state_dict(
        {name: laid_out(tensor, made[name]) for name, tensor in tensors.items()}, assign=True
    )
    return again


@torch.no_grad()
def assert_same_outputs(child, again):
    x = samples(child.architecture, n=20).to(
        torch.int64 if child.architecture.vocabulary else next(child.parameters()).dtype
    )
    assert torch.equal(again.eval()(x), child.eval()(x))
    assert torch.equal(again.train()(x), child.train()(x))


@pytest.mark.parametrize("family", CHILDREN)
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_after_each_transformation(name, family):
    for _, target in choices(CHILDREN[family], [name]):
        child, optimizer = trained(CHILDREN[family])
        child, _ = transform(name, target, child, optimizer)
        assert_same_outputs(child, read_again(child))


@pytest.mark.parametrize("family", FAMILY_NAMES)
@given(data=st.data())
def test_after_any_sequence_in_single_precision_too(family, data):
    """As children are trained: what is read must also lie in memory as before."""
    architecture = data.draw(of_family(family, most_stages=2, most_blocks=2))
    child = build_child(architecture, generator=seeded())
    optimizer = make_optimizer(child, OptimizerConfig())
    perturb_(child, seed=1)
    for step in range(data.draw(st.integers(1, 6), "length")):
        name, target = data.draw(st.sampled_from(choices(child.architecture)), "decision")
        x = samples(child.architecture, n=20)
        x = x if child.architecture.vocabulary else x.float()
        probe = Probe(x, labels(child.architecture, n=20))
        child, _ = apply(
            TRANSFORMATIONS[name],
            target,
            child,
            optimizer,
            space=SPACE,
            probe=probe,
            generator=seeded(step),
        )
        child.fade_(0.3)
        perturb_(child, seed=step)
    assert_same_outputs(child, read_again(child))
