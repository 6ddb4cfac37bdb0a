"""A child that is restored is the child that was captured, bit for bit, and goes on the same way."""

import pytest
import torch
from support.children import seeded
from support.problems import FAMILIES as FAMILY_NAMES
from support.problems import FIRST_KINDS, problem_for
from support.schedules import rates

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import build_child
from mse_rl.spec import KINDS, SearchSpace, starting_architecture
from mse_rl.spec.architecture import ENTRY, Link, Position
from mse_rl.training import BatchOrder, capture, make_optimizer, restore, train_slice_
from mse_rl.training.live_child import TENSOR_BYTES
from mse_rl.training.slice import generator
from mse_rl.transformations import TRANSFORMATIONS, Probe, apply

SPACE = SearchSpace(start_width=4)
FAMILIES = pytest.mark.parametrize("family", FAMILY_NAMES)
OPTIMIZERS = pytest.mark.parametrize(
    "config",
    [OptimizerConfig(name) for name in ("sgd", "adamw", "muon")],
    ids=lambda config: config.optimizer,
)


def train(task, child, optimizer, config, steps):
    """Train a slice, and return its loss."""
    return train_slice_(
        child,
        optimizer,
        task,
        BatchOrder(len(task.train), 16, seed=0, device="cpu"),
        steps=steps,
        rates=rates(steps, 20, config),
        config=config,
        seed=0,
    ).loss


def begun(family, config):
    """Return (task, child, optimizer): a new block, a link, and an activation that begins to fade."""
    task = problem_for(family)
    child = build_child(starting_architecture(family, task.inputs, SPACE), generator=generator("cpu", 0))
    optimizer = make_optimizer(child, config)
    train(task, child, optimizer, config, range(2))
    for name, target in (
        (f"deepen_{FIRST_KINDS[family]}", Position(0, ENTRY)),
        (f"deepen_{FIRST_KINDS[family]}", Position(0, 0)),
        ("link", Link(Position(0, 0), Position(0, 1))),
        ("activation_silu", next((p for p, b in child.architecture if KINDS[b.kind].activations), None)),
    ):
        if target is not None:
            probe = Probe(task.train.x, task.train.y)
            child, _ = apply(
                TRANSFORMATIONS[name],
                target,
                child,
                optimizer,
                space=SPACE,
                probe=probe,
                generator=seeded(),
            )
        if name == "link":
            train(task, child, optimizer, config, range(2, 3))
    return task, child, optimizer


def numbers(child, optimizer):
    """Return every number of a child and its optimizer, by name."""
    found = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    for name, parameter in child.named_parameters():
        for key, value in optimizer.state[parameter].items():
            found[f"{name} {key}"] = value.clone()
    return found


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@FAMILIES
@OPTIMIZERS
def test_what_is_restored_is_what_was_captured_and_training_goes_on_the_same(family, config):
    task, child, optimizer = begun(family, config)
    architecture, captured = child.architecture, numbers(child, optimizer)
    snapshot = capture(child, optimizer)
    loss = train(task, child, optimizer, config, range(3, 8))
    for _ in range(2):  # the first continuation must not reach into the snapshot
        again, again_optimizer = restore(snapshot, config, "cpu")
        assert again.architecture == architecture
        assert same(numbers(again, again_optimizer), captured)
        assert train(task, again, again_optimizer, config, range(3, 8)) == loss
        assert again.architecture == child.architecture
        assert same(numbers(again, again_optimizer), numbers(child, optimizer))
    assert not same(numbers(child, optimizer), captured)


@FAMILIES
@OPTIMIZERS
def test_a_snapshot_knows_its_size(family, config):
    _, child, optimizer = begun(family, config)
    snapshot = capture(child, optimizer)
    expected = sum(buffer.nbytes for buffer in child.buffers()) + TENSOR_BYTES * len(snapshot.to_tensors())
    for parameter, role in child.roles().items():
        adamw = config.optimizer == "adamw" or (config.optimizer == "muon" and role != "hidden")
        # the weight, its moments, and the number of steps
        expected += 4 * parameter.numel() * (3 if adamw else 2) + 4 * adamw
    assert snapshot.size_bytes == expected


@FAMILIES
def test_a_slice_learns_and_returns_the_mean_of_its_losses(family):
    config = OptimizerConfig("adamw", learning_rate=0.01)
    task, child, optimizer = begun(family, config)
    child.settle_activations_()  # how fast they fade depends on the slice
    whole = restore(capture(child, optimizer), config, "cpu")
    parts = [train(task, child, optimizer, config, range(step, step + 1)) for step in range(3, 9)]
    assert train(task, *whole, config, range(3, 9)) == pytest.approx(sum(parts) / 6)
    assert train(task, child, optimizer, config, range(9, 20)) < parts[0]


def test_the_learning_rate_of_every_step_is_the_one_that_is_given(monkeypatch):
    config = OptimizerConfig("sgd", learning_rate=0.05)
    task, child, optimizer = begun("mlp", config)
    seen = []
    step = optimizer.step
    monkeypatch.setattr(
        optimizer, "step", lambda: (seen.append({g["lr"] for g in optimizer.param_groups}), step())
    )
    train(task, child, optimizer, config, range(3, 6))
    assert seen == [{rate} for rate in rates(range(3, 6), 20, config)]


@FAMILIES
@OPTIMIZERS
def test_weights_and_moments_go_to_the_device_that_is_asked_for(family, config):
    """As from a file, which holds them on the CPU; "meta" stands in for a GPU."""
    _, child, optimizer = begun(family, config)
    again, again_optimizer = restore(capture(child, optimizer), config, "meta")
    moments = [moment for state in again_optimizer.state.values() for moment in state.values()]
    assert moments
    assert {tensor.device.type for tensor in (*again.parameters(), *again.buffers(), *moments)} == {"meta"}
