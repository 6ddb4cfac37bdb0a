"""The property on which growth rests: what a child computes is unchanged at the moment of the edit."""

from copy import deepcopy

import pytest
import torch
from children import CNN, GROWING, MLP, SPACE, born, perturb_, samples, train_, transform
from hypothesis import given
from hypothesis import strategies as st
from strategies import cnns, mlps

from mse_rl.transformations import TRANSFORMATIONS

CHANGES_THE_FUNCTION: frozenset[str] = frozenset()
"""Transformations that do not promise to preserve the function; all others are tested here."""
PRESERVING = [name for name in TRANSFORMATIONS if name not in CHANGES_THE_FUNCTION]
TOLERANCE = 1e-10


@torch.no_grad()
def outputs(child, x):
    """Return logits in eval and in train mode, which moves running statistics: of a copy."""
    copy = deepcopy(child)
    return copy.eval()(x), copy.train()(x)


def deviations(name, target, child, optimizer, *, seed=9):
    """Transform, and return the new child, its receipt, and how far its outputs moved in either mode."""
    x = samples(child.architecture, n=6, seed=3)
    before = outputs(child, x)
    child, receipt = transform(name, target, child, optimizer, seed=seed)
    moved = [(new - old).abs().max().item() for new, old in zip(outputs(child, x), before, strict=True)]
    return child, receipt, max(moved)


def choices(architecture):
    """Return every legal (transformation, target)."""
    return [
        (name, target)
        for name in PRESERVING
        for target in TRANSFORMATIONS[name].targets(architecture)
        if SPACE.allows(TRANSFORMATIONS[name].edit(architecture, target, SPACE))
    ]


@pytest.mark.parametrize("family", [cnns, mlps], ids=["cnn", "mlp"])
@given(data=st.data())
def test_any_legal_sequence_preserves_the_function_in_eval_and_in_train_mode(family, data):
    child, optimizer = born(
        data.draw(family(most_stages=3, most_blocks=2)), data.draw(st.sampled_from(("sgd", "adamw")))
    )
    for step in range(data.draw(st.integers(1, 12), "length")):
        state = data.draw(st.sampled_from(("as it is", "perturbed", "trained")), "child")
        if state == "perturbed":
            perturb_(child, seed=step)
        elif state == "trained":
            train_(child, optimizer, steps=2)
        name, target = data.draw(st.sampled_from(choices(child.architecture)), "decision")
        child, receipt, moved = deviations(name, target, child, optimizer, seed=step)
        assert moved <= TOLERANCE
        assert receipt.deviation <= TOLERANCE


@pytest.mark.parametrize("start", [CNN, MLP], ids=["cnn", "mlp"])
@pytest.mark.parametrize("name", [name for name in GROWING if name in PRESERVING])
def test_each_transformation_preserves_the_function_at_each_of_its_targets(name, start):
    for target in TRANSFORMATIONS[name].targets(start):
        child, optimizer = born(start)
        perturb_(child, seed=4)
        child, receipt, moved = deviations(name, target, child, optimizer)
        assert moved <= TOLERANCE
        assert receipt.deviation <= TOLERANCE


@pytest.mark.parametrize("start", [CNN, MLP], ids=["cnn", "mlp"])
def test_the_measure_sees_a_weight_that_moves(start):
    """Guard of the tests above: a child in which any one weight is wrong must not pass them."""
    child, _ = born(start)
    perturb_(child, seed=4)
    x = samples(start, n=6, seed=3)
    before = outputs(child, x)
    for name, parameter in child.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter[(-1,) * parameter.dim()] += 0.1
        moved = [(new - old).abs().max().item() for new, old in zip(outputs(child, x), before, strict=True)]
        assert max(moved) > 1e-6, name
        with torch.no_grad():
            parameter.copy_(kept)


def test_a_deviation_is_measured_in_eval_mode_and_the_mode_is_left_alone():
    for training in (True, False):
        child, optimizer = born(CNN)
        perturb_(child, seed=4)
        child.train(training)
        statistics = child.head.norm.running_mean.clone()
        child, _ = transform("deepen", next(TRANSFORMATIONS["deepen"].targets(CNN)), child, optimizer)
        assert child.training is training
        assert torch.equal(child.head.norm.running_mean, statistics)


def test_a_transformation_that_breaks_the_function_is_told_in_the_receipt(monkeypatch):
    transformation = TRANSFORMATIONS["widen_stream_x2"]
    monkeypatch.setattr(type(transformation), "settle_", lambda *_: None)  # the RMSNorms are not adjusted
    child, optimizer = born(MLP)
    perturb_(child, seed=4)
    _, receipt, moved = deviations("widen_stream_x2", next(transformation.targets(MLP)), child, optimizer)
    assert moved > 1e-3
    assert receipt.deviation > 1e-3
