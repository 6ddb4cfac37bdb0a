"""GradMax gives new units the incoming weights that the loss asks for most, and changes nothing else."""

from copy import deepcopy
from itertools import product

import pytest
import torch
from support.children import CHILDREN, born, labels, samples, trained, transform
from torch.nn import functional as F

from mse_rl.spec.architecture import Architecture, Block, Position, Stage
from mse_rl.transformations.surgery import ROW_NORM, gradmax_rows

FIRST = Position(0, 0)
BLOCKS = {
    "conv": Architecture("cnn", (2, 5, 4), 3, (Stage(6, (Block("conv", 6, 3),)),)),
    "separable": Architecture("cnn", (2, 5, 4), 3, (Stage(6, (Block("separable", 6, 3),)),)),
    "linear": Architecture("mlp", (6,), 3, (Stage(6, (Block("linear", 6),)),)),
    "gru": Architecture("rnn", (5, 3), 3, (Stage(6, (Block("gru", 6, activation="none"),)),)),
    "lstm": Architecture("rnn", (5, 3), 3, (Stage(6, (Block("lstm", 6, activation="none"),)),)),
    "attention": Architecture(
        "transformer", (6, 3), 3, (Stage(6, (Block("attention", 6, activation="none", head_width=2),)),)
    ),
}
FAMILIES = pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)


def probe(architecture):
    """Return the samples on which ``transform`` looks at the child."""
    return samples(architecture, seed=2), labels(architecture, seed=2)


def gradient(child, x, y):
    """Return the gradient norm of the outgoing weights of the last 2 of 8 units of the first block."""
    weight = child.block(FIRST).last.weight
    (found,) = torch.autograd.grad(F.cross_entropy(child.eval()(x), y), weight)
    return found[:, 6:].norm().item()


@FAMILIES
def test_new_rows_have_the_norm_of_hes_and_old_ones_stay(architecture):
    for position, block in architecture:
        child, optimizer = trained(architecture)
        old, gate = (item if isinstance(item, int) else item.clone() for item in child.block(position).intake)
        child, receipt = transform("widen_inner_x1.5", position, child, optimizer, new_units="gradmax")
        assert receipt.output_change < 1e-12
        weight, _ = child.block(position).intake
        units = child.architecture.block(position).inner
        driving = weight[gate * units : (gate + 1) * units].flatten(1)
        assert torch.equal(driving[: block.inner], old[gate * block.inner :][: block.inner].flatten(1))
        new = driving[block.inner :]
        torch.testing.assert_close(new.norm(dim=1), torch.full((len(new),), ROW_NORM, dtype=torch.float64))
        torch.testing.assert_close(new @ new.T / 2, torch.eye(len(new), dtype=torch.float64))


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_gradient_on_what_they_tell_is_larger_than_that_of_rows_drawn_by_he(kind):
    """Of two units: as many as there are directions bring as much in the mean, whatever they are."""
    architecture, found = BLOCKS[kind], {"gradmax": 0.0, "he": 0.0}
    for child_seed in range(4):
        first, first_optimizer = born(architecture, seed=child_seed)
        for new_units, seed in product(found, range(3)):
            child, optimizer = deepcopy((first, first_optimizer))
            child, _ = transform("widen_inner_x1.25", FIRST, child, optimizer, seed=seed, new_units=new_units)
            found[new_units] += gradient(child, *probe(architecture))
    assert found["gradmax"] > 1.05 * found["he"]


def test_of_units_that_are_linear_no_rows_of_that_norm_bring_more():
    """What the block adds is last · first · h while the activation is near the identity."""
    architecture = BLOCKS["linear"].with_block(FIRST, activation="tanh")
    child, _ = trained(architecture)
    x, y = probe(architecture)
    rows = gradmax_rows(child, FIRST, 3, x, y)
    seen = {}
    block = child.block(FIRST)
    block.register_forward_pre_hook(lambda _, args: seen.update(x=args[0]))
    block.register_forward_hook(lambda _, args, out: seen.update(out=out))
    loss = F.cross_entropy(child.eval()(x), y)
    (delta,) = torch.autograd.grad(loss, seen["out"])
    correlation = delta.T @ block.norm(seen["x"])

    def brought(rows):
        return (correlation @ rows.T).norm()

    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        others, _ = torch.linalg.qr(torch.randn(6, 3, generator=generator, dtype=torch.float64))
        assert brought(rows) >= brought(ROW_NORM * others.T)
    strengths = (correlation @ rows.T).norm(dim=0)
    assert strengths.tolist() == sorted(strengths.tolist(), reverse=True)


def test_looking_for_them_leaves_the_child_alone():
    child, optimizer = trained(CHILDREN["cnn"])
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    for parameter in child.parameters():
        parameter.grad = None
    gradmax_rows(child, FIRST, 2, *probe(CHILDREN["cnn"]))
    assert child.training
    gradmax_rows(child.eval(), FIRST, 2, *probe(CHILDREN["cnn"]))
    assert not child.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())
    assert all(parameter.grad is None for parameter in child.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in child.modules())
    assert len(optimizer.state) == len(before) - len(list(child.buffers()))


def test_more_units_than_directions_keep_hes_weights_for_the_rest():
    architecture = Architecture("mlp", (5,), 3, (Stage(2, (Block("linear", 4),)),))

    def widened(new_units):
        child, optimizer = trained(architecture)
        rows = gradmax_rows(child, FIRST, 12, *probe(architecture))
        child, receipt = transform("widen_inner_x4", FIRST, child, optimizer, new_units=new_units)
        assert receipt.output_change < 1e-12
        return child.block(FIRST).first.weight.detach(), rows

    weight, rows = widened("gradmax")
    assert len(rows) == 2
    torch.testing.assert_close(weight[4:6], rows)
    assert torch.equal(weight[6:], widened("he")[0][6:])
