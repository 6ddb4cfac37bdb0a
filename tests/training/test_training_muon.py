"""Muon: every direction of a hidden map learns at the same rate."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.children import CHILDREN, born, labels, perturb_, samples, seeded
from torch.nn import functional as F

from mse_rl.config.training import OptimizerConfig
from mse_rl.training import make_optimizer
from mse_rl.training.optimizer import MOMENTUM, TABLE_RATE, Muon, orthogonal, set_learning_rate_

SHAPES = [(1, 1), (1, 7), (7, 1), (4, 4), (8, 3), (3, 8), (16, 144), (144, 16), (64, 64), (10, 1000)]
RATES = {"hidden": 1.0, "table": TABLE_RATE, "vector": TABLE_RATE}


def matrix(shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=seeded(seed), dtype=dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_singular_values_come_near_one_and_directions_stay(shape, scale):
    """But for those below a hundredth of the norm, of which a square matrix has some."""
    for seed in range(5):
        start = scale * matrix(shape, seed)
        left, values, right = torch.linalg.svd(start, full_matrices=False)
        found = left.T @ orthogonal(start) @ right.T  # in the same directions
        off = found - found.diag().diag()
        assert off.abs().max() < 0.01
        near = found.diag()[values > 0.01 * start.norm()]
        assert len(near) >= 0.9 * min(shape)
        assert near.min() > 0.6
        assert -1e-3 < found.diag().min() <= found.diag().max() < 1.3


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), seed=st.integers(0, 99))
def test_the_transpose_of_a_matrix_gives_the_transpose(rows, columns, seed):
    start = matrix((rows, columns), seed, torch.float64)
    torch.testing.assert_close(orthogonal(start.T), orthogonal(start).T, rtol=1e-9, atol=1e-9)


def test_nothing_comes_of_nothing():
    assert not orthogonal(torch.zeros(3, 5)).any()
    assert not orthogonal(torch.zeros(5, 3)).any()


def hidden(weight, **settings):
    group = {"params": [weight], "orthogonal": True, "weight_decay": 0.0}
    return Muon([group | settings], lr=0.1)


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (4, 2, 3, 3)], ids=str)
def test_a_step_by_hand(shape):
    """Momentum is an average; the step looks ahead by one more; wide maps take smaller ones."""
    weight = torch.nn.Parameter(matrix(shape, 1, torch.float64))
    optimizer = hidden(weight, weight_decay=0.5)
    momentum = torch.zeros_like(weight)
    for seed in range(3):
        weight.grad = matrix(shape, seed + 10, torch.float64)
        gradient, before = weight.grad.clone(), weight.detach().clone()
        momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        ahead = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        inputs = weight[0].numel()
        step = 0.1 * max(1, shape[0] / inputs) ** 0.5 * orthogonal(ahead.reshape(shape[0], inputs))
        optimizer.step()
        expected = (1 - 0.1 * 0.5) * before - step.reshape(shape)
        torch.testing.assert_close(weight.detach(), expected)
        torch.testing.assert_close(optimizer.state[weight]["momentum_buffer"], momentum)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4)], ids=str)
def test_a_quadratic_problem_is_solved(shape):
    """Whatever its curvature: steps are as long in every direction, and shrink with the learning rate."""
    goal, weight = matrix(shape, 1), torch.nn.Parameter(torch.zeros(shape))
    curvature = torch.logspace(-1, 1, shape[0]).unsqueeze(1)
    optimizer = hidden(weight)
    steps = 400
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 - step / steps)
        loss = (curvature * (weight - goal) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (weight - goal).abs().max() < 0.02


def test_a_parameter_without_a_gradient_is_left_alone():
    weight = torch.nn.Parameter(matrix((3, 3)))
    before = weight.detach().clone()
    optimizer = hidden(weight, weight_decay=0.5)
    optimizer.step()
    assert torch.equal(weight.detach(), before)
    assert not optimizer.state[weight]


@pytest.mark.parametrize("family", CHILDREN)
def test_hidden_maps_are_orthogonal_and_all_else_is_adamws(family):
    child, optimizer = born(CHILDREN[family], "muon")
    twin, _ = born(CHILDREN[family], "muon")
    roles = child.roles()
    assert [group["role"] for group in optimizer.param_groups] == list(RATES)
    for group in optimizer.param_groups:
        assert {roles[p] for p in group["params"]} <= {group["role"]}
        assert group["orthogonal"] == (group["role"] == "hidden")
        assert group["rate"] == RATES[group["role"]]
    set_learning_rate_(optimizer, 0.02)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02 * rate for rate in RATES.values()]
    x, y = samples(child.architecture), labels(child.architecture)
    others = [p for p in twin.parameters() if twin.roles()[p] != "hidden"]
    vectors = {p for p in others if p.dim() == 1}
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in others if p not in vectors], "weight_decay": 0.01},
            {"params": list(vectors), "weight_decay": 0.0},
        ],
        lr=0.02 * TABLE_RATE,
    )
    for each, trainer in ((child, optimizer), (twin, adamw)):
        F.cross_entropy(each.train()(x), y).backward()
        trainer.step()
    for parameter, other in zip(child.parameters(), twin.parameters(), strict=True):
        keys = set(optimizer.state[parameter])
        if roles[parameter] == "hidden":
            assert keys == {"momentum_buffer"}
        else:
            assert keys == {"step", "exp_avg", "exp_avg_sq"}
            torch.testing.assert_close(parameter, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", CHILDREN)
def test_children_learn_by_it(family):
    child, _ = born(CHILDREN[family])
    perturb_(child, seed=3)
    optimizer = make_optimizer(child, OptimizerConfig("muon", learning_rate=0.02))
    x, y = samples(child.architecture, 16), labels(child.architecture, 16)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(child.train()(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
