"""A training step: what it trains on is smoothed, what it tells is not."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.children import CHILDREN, born, labels, perturb_, samples, seeded
from support.problems import FAMILIES, problem_for
from support.schedules import short_slice
from torch.nn import functional as F

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.training import make_optimizer
from mse_rl.training.step import Step


def stepped(family, smoothing, optimizer="sgd"):
    """Return a child after one step, what the step told, and the child before it, with its gradients."""
    child, twin = (born(CHILDREN[family])[0].train() for _ in range(2))
    for each in (child, twin):
        perturb_(each, seed=3)
    config = OptimizerConfig(optimizer, label_smoothing=smoothing)
    x, y = samples(child.architecture), labels(child.architecture)
    told = Step(child, make_optimizer(child, config), config)(x, y)
    logits = twin(x)
    F.cross_entropy(logits, y, label_smoothing=smoothing).backward()
    return child, told, twin, F.cross_entropy(logits, y).item()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
@pytest.mark.parametrize("family", CHILDREN)
def test_it_trains_on_smoothed_labels_and_tells_the_plain_cross_entropy(family, smoothing):
    child, told, twin, cross_entropy = stepped(family, smoothing)
    assert told.item() == pytest.approx(cross_entropy, rel=1e-12)
    assert not told.requires_grad
    for parameter, other in zip(child.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-9, atol=1e-12)


@given(st.floats(0.01, 0.9))
def test_smoothing_changes_the_step(smoothing):
    child, *_ = stepped("mlp", smoothing)
    plain, *_ = stepped("mlp", 0.0)
    assert not torch.equal(child.head.linear.weight, plain.head.linear.weight)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_of_a_slice_is_of_labels_as_they_are(family):
    """With next to no learning it is that of the child as it is, however smooth the labels."""
    task = problem_for(family)
    first = starting_architecture(family, task.inputs, SearchSpace(start_width=4))
    child = build_child(first, generator=seeded())
    config = OptimizerConfig("adamw", learning_rate=1e-12, weight_decay=0.0, label_smoothing=0.9)
    expected = F.cross_entropy(child.train()(task.train.x), task.train.y).item()
    trained = short_slice(child, task, config, 96)
    assert trained.loss == pytest.approx(expected, rel=1e-4)
