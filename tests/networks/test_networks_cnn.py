"""A convolutional child by hand: entries that pool, and a head that takes the mean."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.children import CHILDREN, born, perturb_, samples, seeded
from torch.nn import functional as F

from mse_rl.networks import build_child
from mse_rl.spec.architecture import Architecture, Stage
from mse_rl.spec.cnn import pooling

PLAIN = Architecture("cnn", (2, 9, 7), 3, (Stage(4, stride=2), Stage(6, stride=3), Stage(5)))


@pytest.mark.parametrize(
    ("stride", "convolution", "side"), [(1, 1, 1), (2, 1, 2), (3, 3, 1), (4, 2, 2), (5, 5, 1), (6, 3, 2)]
)
def test_an_even_stride_ends_in_pooling(stride, convolution, side):
    assert pooling(stride) == (convolution, side)


def test_a_child_without_blocks_is_a_plain_convolutional_network():
    child, _ = born(PLAIN)
    perturb_(child, seed=4)
    x = samples(PLAIN, n=6)
    stream = x
    for entry, stride in zip((child.stem, *child.transitions), (2, 3, 1), strict=True):
        convolved = F.conv2d(stream, entry.reader.weight, stride=1 if stride == 2 else stride, padding=1)
        if stride == 2:
            convolved = F.max_pool2d(convolved, 2, ceil_mode=True)
        norm = entry.norm
        convolved = (convolved - norm.running_mean.view(-1, 1, 1)) / (
            norm.running_var.view(-1, 1, 1) + norm.eps
        ).sqrt()
        stream = F.relu(convolved * norm.weight.view(-1, 1, 1) + norm.bias.view(-1, 1, 1))
    head = child.head.linear
    torch.testing.assert_close(child.eval()(x), stream.mean((2, 3)) @ head.weight.T + head.bias)


@given(height=st.integers(1, 19), width=st.integers(1, 19), stride=st.integers(1, 7))
def test_an_entry_divides_each_side_by_its_stride_upwards(height, width, stride):
    architecture = Architecture("cnn", (1, height, width), 2, (Stage(2, stride=stride),))
    child = build_child(architecture, generator=seeded())
    sides = tuple(-(-side // stride) for side in (height, width))
    assert child.stem(torch.zeros(3, 1, height, width)).shape == (3, 2, *sides)


@pytest.mark.parametrize("family", CHILDREN)
def test_every_parameter_has_its_role(family):
    child, _ = born(CHILDREN[family])
    roles = {name: child.roles()[parameter] for name, parameter in child.named_parameters()}
    tables = {name for name, role in roles.items() if role == "table"}
    embeddings = {
        "transformer": {"stem.reader.weight", "stem.positions.weight"},
        "cnn of tokens": {"stem.weight"},
        "mlp of tokens": {"stem.weight"},
    }
    assert tables == {"head.linear.weight"} | embeddings.get(family, set())
    for name, parameter in child.named_parameters():
        assert (roles[name] == "vector") == (parameter.dim() == 1)
