"""After surgery the optimizer trains the new child as if the old parts had never been touched."""

from copy import deepcopy

import pytest
import torch
from children import CNN, GROWING, MLP, born, perturb_, samples, seeded, train_, transform
from torch.nn import functional as F

from mse_rl.transformations import TRANSFORMATIONS

OPTIMIZERS = ["sgd", "adamw"]
FIRST_MOMENTS = {"momentum_buffer", "exp_avg"}


def cases():
    """Yield every (transformation, target, architecture) that changes a child."""
    for label, architecture in (("cnn", CNN), ("mlp", MLP)):
        for name in GROWING:
            for target in TRANSFORMATIONS[name].targets(architecture):
                yield pytest.param(
                    name, target, architecture, id=f"{label}-{name}-{target.stage}.{target.block}"
                )


CASES = list(cases())


def ancestors(name, target, before):
    """Return, for every block's prefix in the new child, its prefix in the old one, or None."""
    origins = TRANSFORMATIONS[name].origins(before, target)
    return {
        f"stages.{new.stage}.{new.block}.": old and f"stages.{old.stage}.{old.block}."
        for new, old in origins.items()
    }


def pairs(child, twin, prefixes):
    """Yield (name, parameter of child, its parameter in twin or None)."""
    old = dict(twin.named_parameters())
    for name, parameter in child.named_parameters():
        prefix = ".".join(name.split(".")[:3]) + "."
        if prefix in prefixes:
            before = prefixes[prefix]
            yield name, parameter, old[before + name.removeprefix(prefix)] if before else None
        else:
            yield name, parameter, old[name]


def grown(tensor, old):
    """Return which entries of ``tensor`` are new."""
    new = torch.ones(tensor.shape, dtype=torch.bool)
    if old is not None:
        new[tuple(map(slice, old.shape))] = False
    return new


def memory_order(tensor):
    """Return the strides that matter."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def transformed(name, target, architecture, optimizer):
    """Return a trained child and its optimizer, both before and after a transformation."""
    child, trainer = born(architecture, optimizer)
    perturb_(child, seed=4)
    train_(child, trainer, steps=3)
    twin, twin_trainer = deepcopy((child, trainer))
    child, _ = transform(name, target, child, trainer)
    return child, trainer, twin, twin_trainer


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "target", "architecture"), CASES)
def test_the_next_step_of_what_was_there_is_what_it_would_have_been(name, target, architecture, optimizer):
    child, trainer, twin, twin_trainer = transformed(name, target, architecture, optimizer)
    matched = list(pairs(child, twin, ancestors(name, target, architecture)))
    assert {id(old) for _, _, old in matched if old is not None} == set(map(id, twin.parameters()))
    starts = []
    for number, (_, parameter, old) in enumerate(matched):
        parameter.grad = torch.empty_like(parameter).normal_(generator=seeded(number))
        if old is not None:
            region = tuple(map(slice, old.shape))
            old.grad = torch.empty_like(old).copy_(parameter.grad[region])
            starts.append((parameter, old, region, parameter.detach()[region].clone(), old.detach().clone()))
    trainer.step()
    twin_trainer.step()
    for parameter, old, region, start, old_start in starts:
        decay = 1 - trainer.param_groups[0]["lr"] * 0.01 if optimizer == "adamw" and old.dim() > 1 else 1.0
        moved = parameter.detach()[region] - decay * start
        expected = old.detach() - decay * old_start
        torch.testing.assert_close(moved, expected, rtol=1e-9, atol=1e-12)
        assert expected.any()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "target", "architecture"), CASES)
def test_moments_of_new_entries_are_zero_and_second_ones_the_mean(name, target, architecture, optimizer):
    child, trainer, twin, twin_trainer = transformed(name, target, architecture, optimizer)
    resized = 0
    for _, parameter, old in pairs(child, twin, ancestors(name, target, architecture)):
        if old is None:
            assert not trainer.state.get(parameter)
            continue
        state, before = trainer.state[parameter], twin_trainer.state[old]
        assert state.keys() == before.keys()
        new = grown(parameter, old)
        for key in state.keys() & FIRST_MOMENTS | state.keys() & {"exp_avg_sq"}:
            assert torch.equal(state[key][~new], before[key].flatten())
            fill = 0.0 if key in FIRST_MOMENTS else before[key].mean().item()
            assert (state[key][new] == fill).all()
            # AdamW's fused kernel reads a moment in the order of memory, not of its strides
            assert memory_order(state[key]) == memory_order(parameter)
            resized += new.any().item()
        if optimizer == "adamw":
            assert torch.equal(state["step"], before["step"])
    assert resized > 0 or name == "deepen"


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "target", "architecture"), CASES)
def test_every_parameter_is_in_exactly_one_group_the_one_of_its_kind(name, target, architecture, optimizer):
    child, trainer, _, _ = transformed(name, target, architecture, optimizer)
    held = [id(p) for group in trainer.param_groups for p in group["params"]]
    assert sorted(held) == sorted(map(id, child.parameters()))
    for group in trainer.param_groups:
        assert {p.dim() > 1 for p in group["params"]} == {group["decays"]}
        assert (group["weight_decay"] > 0) == group["decays"]
    assert {id(p) for p in trainer.state} <= set(held)  # nothing is kept alive for parameters that are gone


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("name", "target", "architecture"), CASES)
def test_gradient_reaches_every_new_unit_within_two_steps(name, target, architecture, optimizer):
    child, trainer, twin, _ = transformed(name, target, architecture, optimizer)
    x = samples(architecture, n=128, seed=7)
    y = torch.randint(architecture.classes, (128,), generator=seeded(7))
    born_as = {n: p.detach().clone() for n, p in child.named_parameters()}
    reached = {n: torch.zeros(p.shape, dtype=torch.bool) for n, p in child.named_parameters()}
    child.train()
    for _ in range(2):
        trainer.zero_grad()
        F.cross_entropy(child(x), y).backward()
        for parameter_name, parameter in child.named_parameters():
            reached[parameter_name] |= parameter.grad.abs() > 1e-9  # more than rounding
        trainer.step()
    for parameter_name, parameter, old in pairs(child, twin, ancestors(name, target, architecture)):
        if parameter_name.endswith("conv2.bias"):
            continue  # in the last stage every reader's BatchNorm takes a constant out again
        new = grown(parameter, old)
        for dimension in range(min(2, new.dim())):  # units that write, and units that are read
            others = [d for d in range(new.dim()) if d != dimension]
            units = new.sum(others) > 0
            assert ((reached[parameter_name] & new).sum(others) > 0)[units].all(), parameter_name
        moved = parameter.detach() != born_as[parameter_name]
        assert moved[reached[parameter_name] & new].all(), parameter_name


@pytest.mark.parametrize("architecture", [CNN, MLP], ids=["cnn", "mlp"])
@pytest.mark.parametrize("name", GROWING)
def test_new_born_children_without_moments_can_be_transformed_too(name, architecture):
    child, trainer = born(architecture, "adamw")
    child, _ = transform(name, next(TRANSFORMATIONS[name].targets(architecture)), child, trainer)
    assert not trainer.state
    train_(child, trainer, steps=1)
    assert set(trainer.state) == set(child.parameters())
