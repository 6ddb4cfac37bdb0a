"""The property on which growth rests: what a child computes is unchanged at the moment of the edit."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.children import (
    CHANGING,
    CHILDREN,
    PRESERVING,
    born,
    choices,
    perturb_,
    samples,
    train_,
    trained,
    transform,
)
from support.strategies import FAMILY_NAMES, of_family

from mse_rl.transformations import TRANSFORMATIONS

TOLERANCE = 1e-10
EXAMPLES = max(-(-50 // len(FAMILY_NAMES)), settings.default.max_examples // len(FAMILY_NAMES))
"""Sequences for each family: 50 in all in CI, 2,000 at night."""


@torch.no_grad()
def outputs(child, x):
    """Return logits in eval and in train mode, which moves running statistics: of a copy."""
    copy = deepcopy(child)
    return copy.eval()(x), copy.train()(x)


def output_changes(name, target, child, optimizer, **kwargs):
    """Transform, and return the new child, its receipt, and how far its outputs moved in either mode."""
    x = samples(child.architecture, n=6, seed=3)
    before = outputs(child, x)
    child, receipt = transform(name, target, child, optimizer, **kwargs)
    moved = [(new - old).abs().max().item() for new, old in zip(outputs(child, x), before, strict=True)]
    return child, receipt, max(moved)


@pytest.mark.parametrize("family", FAMILY_NAMES)
@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_legal_sequence_preserves_the_function_in_eval_and_in_train_mode(family, data):
    """Also on what training, half-faded activations and transformations that change the function leave."""
    child, optimizer = born(
        data.draw(of_family(family, most_stages=3, most_blocks=2)),
        data.draw(st.sampled_from(("sgd", "adamw", "muon"))),
    )
    for step in range(data.draw(st.integers(1, 30), "length")):
        state = data.draw(st.sampled_from(("as it is", "perturbed", "trained", "fading", "settled")), "child")
        if state == "perturbed":
            perturb_(child, seed=step)
        elif state == "trained":
            train_(child, optimizer, steps=2)
        elif state == "fading":
            child.fade_(data.draw(st.floats(0, 1), "alpha"))
        elif state == "settled":
            child.settle_activations_()
        name, target = data.draw(st.sampled_from(choices(child.architecture)), "decision")
        new_units = data.draw(st.sampled_from(("he", "gradmax")))
        child, receipt, moved = output_changes(name, target, child, optimizer, seed=step, new_units=new_units)
        if TRANSFORMATIONS[name].preserving:
            assert moved <= TOLERANCE
            assert receipt.output_change <= TOLERANCE


@pytest.mark.parametrize("family", CHILDREN)
@pytest.mark.parametrize("name", PRESERVING)
def test_each_transformation_preserves_the_function_at_each_of_its_targets(name, family):
    for target in TRANSFORMATIONS[name].targets(CHILDREN[family]):
        child, optimizer = trained(CHILDREN[family])
        child, receipt, moved = output_changes(name, target, child, optimizer)
        assert moved <= TOLERANCE
        assert receipt.output_change <= TOLERANCE


@pytest.mark.parametrize("family", CHILDREN)
@pytest.mark.parametrize("name", CHANGING)
def test_what_changes_the_function_says_by_how_much(name, family):
    for target in TRANSFORMATIONS[name].targets(CHILDREN[family]):
        child, optimizer = trained(CHILDREN[family])
        child, receipt, moved = output_changes(name, target, child, optimizer)
        assert receipt.output_change > 1e-6
        assert moved > 1e-6


@pytest.mark.parametrize("start", CHILDREN.values(), ids=CHILDREN)
def test_the_measure_sees_a_weight_that_moves(start):
    """Guard of the tests above: a child in which any one weight is wrong must not pass them."""
    child, _ = trained(start)
    x = samples(start, n=12, seed=3)
    before = outputs(child, x)
    for name, parameter in child.named_parameters():
        kept = parameter.detach().clone()
        with torch.no_grad():
            parameter[(-1,) * parameter.dim()] += 0.1
        moved = [(new - old).abs().max().item() for new, old in zip(outputs(child, x), before, strict=True)]
        assert max(moved) > 1e-8, name
        with torch.no_grad():
            parameter.copy_(kept)


def test_an_output_change_is_measured_in_eval_mode_and_the_mode_is_left_alone():
    for training in (True, False):
        child, optimizer = trained(CHILDREN["cnn"])
        child.train(training)
        statistics = child.stem.norm.running_mean.clone()
        child, _ = transform(
            "deepen_conv", next(TRANSFORMATIONS["deepen_conv"].targets(child.architecture)), child, optimizer
        )
        assert child.training is training
        assert torch.equal(child.stem.norm.running_mean, statistics)


def test_a_transformation_that_breaks_the_function_is_told_in_the_receipt(monkeypatch):
    transformation = TRANSFORMATIONS["widen_stream_x2"]
    monkeypatch.setattr(type(transformation), "settle_", lambda *_: None)  # the RMSNorms are not adjusted
    child, optimizer = trained(CHILDREN["mlp"])
    target = next(transformation.targets(child.architecture))
    _, receipt, moved = output_changes("widen_stream_x2", target, child, optimizer)
    assert moved > 1e-3
    assert receipt.output_change > 1e-3
