"""An activation is blended in over one slice; what is left is the new one alone."""

from copy import deepcopy

import pytest
import torch
from support.children import CHILDREN, samples, seeded, trained, transform
from support.problems import problem_for
from support.schedules import rates
from torch.nn import functional as F

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import build_child
from mse_rl.networks.layers import Activation
from mse_rl.spec import ACTIVATIONS, KINDS, SearchSpace, starting_architecture
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Position, Stage
from mse_rl.training import BatchOrder, make_optimizer, train_slice_
from mse_rl.transformations import TRANSFORMATIONS, Probe, apply

FUNCTIONS = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu, "tanh": torch.tanh}
BLENDABLE = pytest.mark.parametrize("family", ["cnn", "mlp", "transformer"])


def choosable(architecture):
    """Return the first block whose activation can be chosen."""
    return next(position for position, block in architecture if KINDS[block.kind].activations)


def mid_schedule(family):
    """Return (task, child, optimizer, position) of a child that begins to change an activation to tanh."""
    task = problem_for(family)
    first = starting_architecture(family, task.inputs, SearchSpace())
    if family == "cnn":  # which begins without blocks
        first = TRANSFORMATIONS["deepen_conv"].edit(first, Position(0, ENTRY), SearchSpace())
    child = build_child(first, generator=seeded())
    optimizer = make_optimizer(child, OptimizerConfig())
    position = choosable(first)
    child, receipt = apply(
        TRANSFORMATIONS["activation_tanh"],
        position,
        child,
        optimizer,
        space=SearchSpace(),
        probe=Probe(task.train.x, task.train.y),
        generator=seeded(),
    )
    assert receipt.output_change == 0
    return task, child, optimizer, position


def train(task, child, optimizer, steps):
    order = BatchOrder(len(task.train), 16, seed=0, device="cpu")
    config = OptimizerConfig().of(child.architecture.family)
    return train_slice_(
        child, optimizer, task, order, steps=steps, rates=rates(steps, 20, config), config=config, seed=0
    )


@pytest.mark.parametrize("old", ACTIVATIONS)
@pytest.mark.parametrize("new", ACTIVATIONS)
def test_the_blend_goes_from_the_old_function_to_the_new_one(old, new):
    activation = Activation(Block("linear", 4, activation=new, fading=old))
    activation.reset_parameters_(seeded())
    x = torch.linspace(-3, 3, 61)
    assert torch.equal(activation(x), FUNCTIONS[old](x))
    activation.alpha.fill_(0.25)
    torch.testing.assert_close(activation(x), 0.75 * FUNCTIONS[old](x) + 0.25 * FUNCTIONS[new](x))
    activation.alpha.fill_(1.0)
    torch.testing.assert_close(activation(x), FUNCTIONS[new](x))
    activation.settle_()
    assert torch.equal(activation(x), FUNCTIONS[new](x))
    assert not activation.state_dict()


@BLENDABLE
def test_a_slice_takes_the_blend_to_its_end_and_leaves_no_trace_of_the_old_one(family):
    task, child, optimizer, position = mid_schedule(family)
    block = child.architecture.block(position)
    assert block.fading not in (None, "tanh")
    seen = []
    child.block(position).register_forward_pre_hook(
        lambda module, _: seen.append(module.activation.alpha.item())
    )
    train(task, child, optimizer, range(4))
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert child.architecture.block(position).activation == "tanh"
    assert all(block.fading is None for _, block in child.architecture)
    assert not [name for name in child.state_dict() if "alpha" in name]
    x = torch.linspace(-3, 3, 61)
    assert torch.equal(child.block(position).activation(x), torch.tanh(x))


@BLENDABLE
def test_a_settled_child_fits_a_fresh_one_of_its_architecture(family):
    task, child, optimizer, _ = mid_schedule(family)
    train(task, child, optimizer, range(3))
    again = build_child(Architecture.from_json(child.architecture.to_json()), generator=seeded(8))
    again.load_state_dict(child.state_dict())
    x = task.validation.x
    assert torch.equal(again.eval()(x), child.eval()(x))


def test_how_far_it_has_faded_is_carried_through_other_transformations_and_saved():
    child, optimizer = trained(CHILDREN["mlp"])
    target = Position(0, 1)
    child, _ = transform("activation_gelu", target, child, optimizer)
    child.fade_(0.3)
    x = samples(child.architecture, n=6, seed=3)
    before = child.eval()(x)
    for name, at in (
        ("widen_inner_x2", target),
        ("deepen_linear", Position(0, 0)),
        ("widen_stream_x2", Position(0, ENTRY)),
        ("widen_child_x1.5", None),
    ):
        child, _ = transform(name, at, child, optimizer)
    torch.testing.assert_close(child.eval()(x), before, rtol=0, atol=1e-12)
    (name,) = [name for name in child.state_dict() if "alpha" in name]
    assert name == "stages.0.2.activation.alpha"
    assert child.state_dict()[name] == pytest.approx(0.3)
    again = build_child(child.architecture, generator=seeded(8), dtype=torch.float64)
    again.load_state_dict(child.state_dict())
    assert torch.equal(again.eval()(x), child.eval()(x))


def test_what_is_fading_is_not_changed_again_and_what_has_no_choice_never():
    fading = CHILDREN["mlp"].with_block(Position(0, 0), activation="silu", fading="relu")
    names = [f"activation_{name}" for name in ACTIVATIONS]
    found = {target for name in names for target in TRANSFORMATIONS[name].targets(fading)}
    assert found == {position for position, _ in fading} - {Position(0, 0)}
    assert not [t for name in names for t in TRANSFORMATIONS[name].targets(CHILDREN["rnn"])]
    targets = TRANSFORMATIONS["activation_tanh"].targets(CHILDREN["mlp"])
    assert Position(0, 1) not in targets  # it has tanh already


def test_settling_before_the_end_jumps_to_the_new_function():
    child, optimizer = trained(Architecture("mlp", (5,), 3, (Stage(4, (Block("linear", 4),)),)))
    child, _ = transform("activation_tanh", Position(0, 0), child, optimizer)
    whole = deepcopy(child)
    whole.fade_(1.0)
    child.settle_activations_()
    x = samples(child.architecture, n=6, seed=3)
    torch.testing.assert_close(child.eval()(x), whole.eval()(x))
