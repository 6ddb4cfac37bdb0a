"""What a slice tells about a child is what its definition says, and costs the training nothing."""

import pytest
import torch
from support.children import CHILDREN, labels, samples, seeded, trained, watched
from support.problems import FAMILIES as FAMILY_NAMES
from support.problems import FIRST_KINDS, problem_for
from support.schedules import rates, short_slice
from torch.nn import functional as F

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import build_child, empty_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.spec.architecture import ENTRY, PADDING, Architecture, Block, Position, Stage
from mse_rl.training import BatchOrder, make_optimizer, train_slice_
from mse_rl.training.recorder import RECORDED_STEPS, SliceRecorder, recorded_steps
from mse_rl.transformations import TRANSFORMATIONS

FIRST, SECOND = Position(0, 0), Position(0, 1)
TINY = Architecture("mlp", (3,), 2, (Stage(2, (Block("linear", 3), Block("linear", 2))),))
FAMILIES = pytest.mark.parametrize("family", FAMILY_NAMES)


def tensors(values):
    return torch.tensor(values, dtype=torch.float64)


def close(found, expected):
    torch.testing.assert_close(tensors(found), expected.detach(), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (range(1), {0}),
        (range(7, 8), {7}),
        (range(2), {0, 1}),
        (range(4, 6), {4, 5}),
        (range(3), {0, 1, 2}),
        (range(15), {4, 9, 14}),
        (range(30, 45), {34, 39, 44}),
        (range(100), {33, 66, 99}),
    ],
    ids=str,
)
def test_at_most_three_steps_are_looked_at_spread_evenly_with_the_last(steps, expected):
    found = recorded_steps(steps)
    assert steps[-1] in found <= set(steps)
    assert len(found) == min(len(steps), RECORDED_STEPS)
    spread = sorted(found)
    assert all(abs(a - b) <= 1 for a, b in zip(spread, sorted(expected), strict=True))


def test_statistics_of_a_tiny_child_by_hand():
    """(Σ w·∂L/∂w)² over the weights that read an input; means over the samples."""
    child, _ = trained(TINY)
    found = watched(child)
    x, y = samples(TINY, seed=11), labels(TINY, seed=11)
    child.zero_grad()
    block = child.block(FIRST)
    stream = child.stem(x)
    read = block.norm(stream)
    units = torch.relu(block.first(read))
    update = block.last(units)
    after = child.block(SECOND)(stream + update)
    F.cross_entropy(child.head(after), y).backward()

    seen = found.blocks[FIRST]
    first, last = block.first, block.last
    close(seen.stream.mean, read.mean(0))
    close(seen.units.mean, units.mean(0))
    close(seen.update, update.mean(0))
    close(seen.stream.importance, (first.weight * first.weight.grad).sum(0) ** 2)
    close(seen.units.importance, (last.weight * last.weight.grad).sum(0) ** 2)
    assert seen.importance == pytest.approx(sum(seen.units.importance))
    parameters = torch.cat([p.detach().flatten() for p in block.parameters()])
    gradients = torch.cat([p.grad.flatten() for p in block.parameters()])
    assert seen.gradient_norm == pytest.approx(gradients.norm().item())
    assert seen.growth_score == pytest.approx((gradients.norm() / parameters.norm()).item())
    classifier = child.head.linear.weight
    close(found.exits[0].importance, (classifier * classifier.grad).sum(0) ** 2)
    close(found.exits[0].mean, child.head.norm(after).mean(0))


@pytest.mark.parametrize("position", [FIRST, SECOND], ids=["gru", "lstm"])
def test_what_recurrent_units_tell_each_other_counts_with_what_they_tell_the_stream(position):
    child, _ = trained(CHILDREN["rnn"])
    found = watched(child).blocks[position].units.importance  # the gradients are still there
    block = child.block(position)
    readers = (block.first.weight_hh_l0, block.last.weight)
    close(found, sum((weight * weight.grad).sum(0) for weight in readers) ** 2)


def test_importance_is_the_change_of_the_loss_without_a_unit_to_first_order():
    """Scaling the weights that read a unit by 1 - t changes the loss by -t·√importance, either way."""
    child, _ = trained(CHILDREN["cnn"])
    found = watched(child).blocks[FIRST].units.importance
    x, y = samples(child.architecture, seed=11), labels(child.architecture, seed=11)
    weight = child.block(FIRST).last.weight

    def loss(unit, factor):
        with torch.no_grad():
            kept = weight[:, unit].clone()
            weight[:, unit] *= factor
            value = F.cross_entropy(child(x), y).item()
            weight[:, unit] = kept
        return value

    for unit, importance in enumerate(found):
        slope = (loss(unit, 1 + 1e-5) - loss(unit, 1 - 1e-5)) / 2e-5
        assert slope**2 == pytest.approx(importance, rel=1e-5)


@pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
def test_every_unit_dimension_and_stage_has_its_reading(architecture):
    child, _ = trained(architecture)
    found = watched(child)
    assert set(found.blocks) == {position for position, _ in architecture}
    for position, block in architecture:
        width, seen = architecture.stages[position.stage].width, found.blocks[position]
        assert len(seen.units.importance) == len(seen.units.mean) == block.inner
        assert len(seen.stream.importance) == len(seen.stream.mean) == len(seen.update) == width
        assert min(seen.units.importance) >= 0
        assert any(seen.update)
    assert [len(found.exits[s].mean) for s in (0, 1)] == [stage.width for stage in architecture.stages]
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in child.modules())


@pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
def test_several_steps_are_averaged(architecture):
    child, _ = trained(architecture)
    recorder = SliceRecorder(child.train())
    ones = []
    for seed in (21, 22, 23):
        single = SliceRecorder(child)
        x = samples(architecture, seed=seed)
        for watcher in (recorder, single):
            watcher.watch(x)
        child.zero_grad()
        F.cross_entropy(child(x), labels(architecture, seed=seed)).backward()
        for watcher in (recorder, single):
            watcher.read_gradients()
        ones.append(single.statistics())
    found = recorder.statistics()
    for position, seen in found.blocks.items():
        singles = [one.blocks[position] for one in ones]
        for part in ("stream", "units"):
            for name in ("importance", "mean"):
                mean = tensors([getattr(getattr(one, part), name) for one in singles]).mean(0)
                close(getattr(getattr(seen, part), name), mean)
        close(seen.update, tensors([one.update for one in singles]).mean(0))
        assert seen.importance == pytest.approx(sum(one.importance for one in singles) / 3)
        assert seen.gradient_norm == singles[-1].gradient_norm  # of the last step
    for stage, seen in found.exits.items():
        close(seen.importance, tensors([one.exits[stage].importance for one in ones]).mean(0))


def test_a_unit_is_dead_if_it_was_zero_in_every_sample_of_every_step():
    child, _ = trained(Architecture("mlp", (3,), 2, (Stage(4, (Block("linear", 5), Block("linear", 4))),)))
    with torch.no_grad():
        first = child.block(FIRST).first
        first.bias[:2], first.bias[2:] = -1e3, 1e1
    found = watched(child, steps=2)
    assert found.blocks[FIRST].dead_fraction == pytest.approx(0.4)
    assert found.blocks[SECOND].dead_fraction < 1


def test_a_unit_that_was_alive_in_one_of_the_steps_is_not_dead():
    child, _ = trained(Architecture("mlp", (3,), 2, (Stage(4, (Block("linear", 5),)),)))
    recorder, bias = SliceRecorder(child.train()), child.block(FIRST).first.bias
    for values in ((-1e3, -1e3, 1e1, 1e1, 1e1), (-1e3, 1e1, -1e3, -1e3, 1e1)):
        with torch.no_grad():
            bias.copy_(torch.tensor(values))
        x = samples(child.architecture)
        recorder.watch(x)
        F.cross_entropy(child(x), labels(child.architecture) % 2).backward()
        recorder.read_gradients()
    assert recorder.statistics().blocks[FIRST].dead_fraction == pytest.approx(0.2)


def mid_schedule(family, optimizer):
    task = problem_for(family)
    first = starting_architecture(family, task.inputs, SearchSpace(start_width=4))
    kind = FIRST_KINDS[family]
    first = TRANSFORMATIONS[f"deepen_{kind}"].edit(first, Position(0, ENTRY), SearchSpace())
    child = build_child(first, generator=seeded())
    return task, child, make_optimizer(child, OptimizerConfig(optimizer))


@FAMILIES
@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_slice_trains_bit_for_bit_as_a_plain_loop_does(family, optimizer):
    config, steps = OptimizerConfig(optimizer, label_smoothing=0.0), range(3, 10)
    task, child, trainer = mid_schedule(family, optimizer)
    order = BatchOrder(len(task.train), 16, seed=0, device="cpu")
    falling = rates(steps, 20, config)
    result = train_slice_(child, trainer, task, order, steps=steps, rates=falling, config=config, seed=0)
    _, twin, twin_trainer = mid_schedule(family, optimizer)
    twin.train()
    losses = []
    for step, rate in zip(steps, falling, strict=True):
        for group in twin_trainer.param_groups:
            group["lr"] = rate * group["rate"]
        indices = order.batch(step)
        twin_trainer.zero_grad()
        loss = F.cross_entropy(twin(task.train.x[indices]), task.train.y[indices])
        loss.backward()
        twin_trainer.step()
        losses.append(loss.item())
    assert all(
        torch.equal(a, b)
        for a, b in zip(child.state_dict().values(), twin.state_dict().values(), strict=True)
    )
    assert result.loss == pytest.approx(sum(losses) / len(losses), rel=1e-6)


@FAMILIES
@pytest.mark.parametrize("length", [1, 2, 15])
def test_a_slice_of_any_length_has_statistics_of_its_last_step(family, length):
    task, child, trainer = mid_schedule(family, "adamw")
    order = BatchOrder(len(task.train), 16, seed=0, device="cpu")
    config = OptimizerConfig("adamw")
    steps = range(length)
    result = train_slice_(
        child, trainer, task, order, steps=steps, rates=rates(steps, 20, config), config=config, seed=0
    )
    assert result.statistics.blocks.keys() == {position for position, _ in child.architecture} != set()
    for position, block in child.blocks():
        gradients = torch.cat([p.grad.flatten() for p in block.parameters()])
        found = result.statistics.blocks[position]
        assert found.gradient_norm == pytest.approx(gradients.norm().item(), rel=1e-5)
        assert 0 <= found.dead_fraction <= 1
    assert not any(module._forward_hooks for module in child.modules())


def test_of_a_child_without_blocks_what_leaves_its_stages_is_told():
    task = problem_for("cnn")
    first = starting_architecture("cnn", task.inputs, SearchSpace())
    assert first.depth == 0
    child, config = build_child(first, generator=seeded()), OptimizerConfig("muon")
    found = short_slice(child, task, config, 16).statistics
    assert (found.blocks, found.links) == ({}, {})
    assert [len(found.exits[stage].importance) for stage in (0, 1)] == [16, 32]
    assert all(min(seen.mean) >= 0 < max(seen.importance) for seen in found.exits.values())  # behind a ReLU


def test_positions_without_a_token_do_not_count():
    """The same texts, with padding behind them: the same means of what blocks read and add."""

    def seen(steps):
        architecture = Architecture("rnn", (steps,), 3, CHILDREN["rnn"].stages, vocabulary=9)
        child, _ = trained(Architecture("rnn", (4,), 3, CHILDREN["rnn"].stages, vocabulary=9))
        longer = empty_child(architecture)
        longer.load_state_dict(child.state_dict(), assign=True)
        x = torch.randint(1, 9, (8, 4), generator=seeded(1))
        x = F.pad(x, (0, steps - 4), value=PADDING)
        recorder = SliceRecorder(longer.train())
        recorder.watch(x)
        F.cross_entropy(longer(x), labels(architecture, 8)).backward()
        recorder.read_gradients()
        return recorder.statistics().blocks.values()

    for short, padded in zip(seen(4), seen(7), strict=True):
        assert padded.stream.mean == pytest.approx(short.stream.mean)
        assert padded.units.mean == pytest.approx(short.units.mean)
        assert padded.update == pytest.approx(short.update)
