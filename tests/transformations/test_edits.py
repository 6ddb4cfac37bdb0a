"""Edits are pure, tell where blocks came from, and are known by name."""

import inspect
import json

import pytest
import torch
from children import CNN, GROWING, MLP, SPACE, born, perturb_, transform
from hypothesis import given
from hypothesis import strategies as st
from strategies import architectures

from mse_rl import transformations
from mse_rl.architecture import Position
from mse_rl.cost import cost
from mse_rl.transformations import TRANSFORMATIONS

NAMES = st.sampled_from(list(TRANSFORMATIONS))


@given(architectures(), NAMES)
def test_targets_exist_and_edits_leave_the_architecture_alone(architecture, name):
    transformation = TRANSFORMATIONS[name]
    before = architecture.to_json()
    targets = list(transformation.targets(architecture))
    assert len(set(targets)) == len(targets) > 0
    for target in targets:
        assert (target is None) == (transformation.scope == "child")
        assert target is None or target in dict(architecture)
        once, twice = (transformation.edit(architecture, target, SPACE) for _ in range(2))
        assert once == twice
        assert (once == architecture) == (name in ("wait", "stop"))
        assert cost(once).flops >= cost(architecture).flops
    assert architecture.to_json() == before


@given(architectures(), NAMES, st.data())
def test_origins_name_every_block_of_the_new_child_and_every_old_one_once(architecture, name, data):
    transformation = TRANSFORMATIONS[name]
    target = data.draw(st.sampled_from(list(transformation.targets(architecture))))
    after = transformation.edit(architecture, target, SPACE)
    origins = transformation.origins(architecture, target)
    assert set(origins) == {position for position, _ in after}
    old = [origin for origin in origins.values() if origin is not None]
    assert sorted(old) == [position for position, _ in architecture]
    assert sorted(old) == [origins[new] for new in sorted(origins) if origins[new]]  # their order stays
    for new, origin in origins.items():
        if origin is not None and origin != target:
            assert after.block(new) == architecture.block(origin)


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
@pytest.mark.parametrize("target", [Position(0, 0), Position(0, 1), Position(1, 0)], ids=str)
def test_deepen_moves_the_blocks_behind_with_their_weights(architecture, target):
    child, optimizer = born(architecture)
    perturb_(child, seed=4)
    blocks = {
        position: [tensor.clone() for tensor in block.state_dict().values()]
        for position, block in child.blocks()
    }
    child, _ = transform("deepen", target, child, optimizer)
    stage = architecture.stages[target.stage]
    new = Position(target.stage, target.block + 1)
    assert len(child.architecture.stages[target.stage].blocks) == len(stage.blocks) + 1
    assert child.architecture.block(new).inner == stage.width
    assert child.architecture.block(new).kernel == architecture.block(target).kernel
    for position, tensors in blocks.items():
        moved = position.stage == target.stage and position.block > target.block
        now = child.block(position._replace(block=position.block + moved)).state_dict().values()
        assert all(torch.equal(a, b) for a, b in zip(now, tensors, strict=True))
    born_zero = child.block(new).conv2 if architecture is CNN else child.block(new).linear2
    assert not any(parameter.any() for parameter in born_zero.parameters())


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
@pytest.mark.parametrize(("name", "factor"), [("x1.5", 1.5), ("x2", 2)])
def test_widenings_widen_what_they_say(architecture, name, factor):
    inner = TRANSFORMATIONS[f"widen_inner_{name}"].edit(architecture, Position(0, 0), SPACE)
    assert inner == architecture.with_block(Position(0, 0), inner=int(4 * factor))
    stream = TRANSFORMATIONS[f"widen_stream_{name}"].edit(architecture, Position(0, 0), SPACE)
    assert stream == architecture.with_stage(0, width=int(4 * factor))
    targets = TRANSFORMATIONS[f"widen_stream_{name}"].targets(architecture)
    assert list(targets) == [Position(0, 0), Position(1, 0)]


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_receipt_tells_the_cost_before_and_after(name, architecture):
    for target in TRANSFORMATIONS[name].targets(architecture):
        child, optimizer = born(architecture)
        child, receipt = transform(name, target, child, optimizer)
        before, after = cost(architecture), cost(child.architecture)
        assert child.architecture == TRANSFORMATIONS[name].edit(architecture, target, SPACE)
        assert (receipt.transformation, receipt.target) == (name, target)
        assert (receipt.flops_before, receipt.flops_after) == (before.flops, after.flops)
        assert (receipt.parameters_before, receipt.parameters_after) == (before.parameters, after.parameters)
        assert receipt.parameters_after == sum(p.numel() for p in child.parameters())
        assert (receipt.flops_after > receipt.flops_before) == (name in GROWING)
        json.dumps(vars(receipt))


@pytest.mark.parametrize("name", ["wait", "stop"])
def test_the_inert_ones_hand_back_the_very_child(name):
    child, optimizer = born(CNN)
    same, receipt = transform(name, None, child, optimizer)
    assert same is child
    assert receipt.deviation == 0


def test_new_weights_are_drawn_by_the_generator_alone():
    def weights(seed):
        child, optimizer = born(MLP)
        child, _ = transform("widen_inner_x2", Position(0, 0), child, optimizer, seed=seed)
        return child.block(Position(0, 0)).linear1.weight

    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first[4:], weights(1)[4:])
    assert torch.equal(first[:4], weights(1)[:4])


def test_the_registry_holds_every_transformation_once_under_its_own_name():
    assert [transformation.name for transformation in TRANSFORMATIONS.values()] == list(TRANSFORMATIONS)
    kinds = {type(transformation) for transformation in TRANSFORMATIONS.values()}
    written = {
        kind
        for module in vars(transformations).values()
        if inspect.ismodule(module)
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, transformations.Transformation)
        and kind.__module__ == module.__name__
        and module.__name__ != "mse_rl.transformations.base"
    }
    assert written == kinds
    assert next(iter(TRANSFORMATIONS)) == "wait"


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_every_transformation_is_documented(name):
    kind = type(TRANSFORMATIONS[name])
    assert kind.__doc__
    assert inspect.getmodule(kind).__doc__
