"""After surgery the optimizer trains the new child as if the old parts had never been touched.

Where every entry stood before is worked out here once more, by hand: gate by gate, head by head.
"""

from functools import cache
from itertools import product

import pytest
import torch
from support.children import CHILDREN, born, choices, labels, perturb_, samples, seeded, train_, transform
from torch.nn import functional as F

from mse_rl.config.training import OptimizerConfig
from mse_rl.spec.architecture import PADDING, Link, Position
from mse_rl.training import capture, restore
from mse_rl.training.optimizer import MOMENTUM, orthogonal
from mse_rl.transformations import TRANSFORMATIONS, BlockStatistics, ChildStatistics, InputStatistics

OPTIMIZERS = pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
ENTRY_BY_ENTRY = pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
"""Those in which the step of an entry depends on nothing but its own gradients."""
FIRST_MOMENTS = {"momentum_buffer", "exp_avg"}
GATES = {"gru": 3, "lstm": 4, "attention": 3}
"""Of the rows of ``first``; a row of attention is of queries, keys or values."""
OTHER_SIZES = ("x1.25", "x1.5", "x4", "x0.75", "gelu", "silu", "tanh")
"""What differs from another transformation by a number or a function alone."""


def cases(names):
    """Return the mark for every family and every one of the transformations that it has."""
    pairs = [(family, name) for family in CHILDREN for name in names if choices(CHILDREN[family], [name])]
    return pytest.mark.parametrize(("family", "name"), pairs)


ALL = cases(TRANSFORMATIONS)
ONE_OF_EACH = cases([name for name in TRANSFORMATIONS if not name.endswith(OTHER_SIZES)])
GROWING = cases(
    [
        name
        for name in TRANSFORMATIONS
        if name.startswith(("deepen", "widen", "link", "grow")) and not name.endswith(OTHER_SIZES)
    ]
)


def importance(unit):
    """Return an importance that is in no order, and another for every unit or head."""
    return (5 * unit + 3) % 7 + 0.5


def reading(units, head=1):
    return InputStatistics(tuple(importance(unit // head) for unit in range(units)), (0.0,) * units)


def told(architecture):
    """Return statistics that tell which units go."""
    blocks = {
        at: BlockStatistics(
            gradient_norm=1.0,
            growth_score=1.0,
            dead_fraction=0.0,
            stream=reading(architecture.stages[at.stage].width),
            units=reading(block.inner, block.head_width),
            update=(0.0,) * architecture.stages[at.stage].width,
        )
        for at, block in architecture
    }
    exits = {number: reading(stage.width) for number, stage in enumerate(architecture.stages)}
    return ChildStatistics(blocks, exits)


def kept_units(before, after, head=1):
    """Return for each unit after an edit its index before, -1 if it is new."""
    if after >= before:
        return [*range(before)] + [-1] * (after - before)
    heads = sorted(range(before // head), key=lambda unit: -importance(unit))[: after // head]
    return [unit * head + inside for unit in sorted(heads) for inside in range(head)]


def ancestors(child, twin, name, target):
    """Return, for the prefix of every block and link of the new child, its prefix in the old one, or None."""
    origins = TRANSFORMATIONS[name].origins(twin.architecture, target)
    prefixes = {
        f"stages.{new.stage}.{new.block}.": old and f"stages.{old.stage}.{old.block}."
        for new, old in origins.items()
    }
    for index, (source, end) in enumerate(child.architecture.links):
        was = Link(origins.get(source, source), origins[end])  # entries stay
        known = was in twin.architecture.links
        prefixes[f"links.{index}."] = f"links.{twin.architecture.links.index(was)}." if known else None
    return prefixes


def entries(name, dimension, old, new, block):
    """Return for each index along a dimension of a parameter its index before, -1 if it is new."""
    before, after = old.shape[dimension], new.shape[dimension]
    if before == after:
        return [*range(before)]
    if dimension >= 2:  # the sides of a kernel
        return [-1, *range(before), -1]
    gates = GATES.get(block.kind, 1) if block and dimension == 0 and ".first." in name else 1
    inside = block is not None and (".first." in name, dimension) in ((True, 0), (False, 1))
    inside |= "weight_hh" in name
    head = block.head_width if inside else 1
    units = kept_units(before // gates, after // gates, head)
    return [unit if unit < 0 else gate * (before // gates) + unit for gate in range(gates) for unit in units]


def inherited(moved):
    """Yield (parameter, its ancestor or None, index of each entry in the flat ancestor, -1 if new)."""
    child, _, twin, _, name, target = moved
    prefixes = ancestors(child, twin, name, target)
    old_parameters = dict(twin.named_parameters())
    for full, parameter in child.named_parameters():
        prefix = next((known for known in prefixes if full.startswith(known)), "")
        before = prefixes.get(prefix, "")
        old = None if before is None else old_parameters[before + full.removeprefix(prefix)]
        if old is None:
            yield full, parameter, None, torch.full(parameter.shape, -1)
            continue
        _, stage, at, *_ = full.split(".") if full.startswith("stages.") else ("", -1, -1)
        block = child.architecture.block(Position(int(stage), int(at))) if int(stage) >= 0 else None
        flat = torch.arange(old.numel()).view(old.shape)
        new = torch.zeros(parameter.shape, dtype=torch.bool)
        for dimension in range(old.dim()):
            index = torch.tensor(entries(full, dimension, old, parameter, block))
            flat = flat.index_select(dimension, index.clamp(min=0))
            new |= (index < 0).view([-1 if d == dimension else 1 for d in range(new.dim())])
        yield full, parameter, old, torch.where(new, -1, flat)


@cache
def prepared(family, optimizer):
    child, trainer = born(CHILDREN[family], optimizer)
    perturb_(child, seed=4)
    train_(child, trainer, steps=3)
    return capture(child, trainer)


def copied(family, optimizer):
    """Return a trained child and its optimizer."""
    return restore(prepared(family, optimizer), OptimizerConfig(optimizer, weight_decay=0.01), "cpu")


@cache
def untouched(family, optimizer):
    return copied(family, optimizer)


def transform_each(family, name, optimizer):
    """Yield, for every target, a trained child and its optimizer after a transformation, and before."""
    statistics = told(CHILDREN[family])
    for _, target in choices(CHILDREN[family], [name]):
        child, trainer = copied(family, optimizer)
        child, _ = transform(name, target, child, trainer, statistics=statistics)
        yield child, trainer, *untouched(family, optimizer), name, target


@cache
def transformed(family, name, optimizer):
    """Return the same, to be looked at only."""
    return list(transform_each(family, name, optimizer))


def memory_order(tensor):
    """Return the strides that matter."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


@OPTIMIZERS
@ALL
def test_every_parameter_is_in_exactly_one_group_the_one_of_its_kind(family, name, optimizer):
    for child, trainer, *_ in transformed(family, name, optimizer):
        held = [id(p) for group in trainer.param_groups for p in group["params"]]
        assert sorted(held) == sorted(map(id, child.parameters()))
        assert [group["role"] for group in trainer.param_groups] == ["hidden", "table", "vector"]
        for group in trainer.param_groups:
            assert {child.roles()[p] for p in group["params"]} == {group["role"]}
            assert (group["weight_decay"] > 0) == (group["role"] != "vector")
            assert group["orthogonal"] == (optimizer == "muon" and group["role"] == "hidden")
        assert {id(p) for p in trainer.state} <= set(held)  # nothing is kept alive for parameters gone


@OPTIMIZERS
@ALL
def test_kept_entries_keep_their_moments_and_new_ones_have_none_or_the_mean(family, name, optimizer):
    for moved in transformed(family, name, optimizer):
        _, trainer, _, old_trainer, *_ = moved
        for full, parameter, old, origin in inherited(moved):
            if old is None:
                begun = trainer.state.get(parameter, {})  # fused SGD's momentum has to be there for all
                assert all(not moment.any() for moment in begun.values()), full
                assert all(memory_order(moment) == memory_order(parameter) for moment in begun.values()), full
                continue
            state, before = trainer.state[parameter], old_trainer.state[old]
            assert state.keys() == before.keys()
            for key in state.keys() & (FIRST_MOMENTS | {"exp_avg_sq"}):
                mean = before[key].mean().item()
                values = before[key].reshape(-1)[origin.clamp(min=0)]
                expected = torch.where(origin < 0, 0.0 if key in FIRST_MOMENTS else mean, values)
                assert torch.equal(state[key][origin >= 0], expected[origin >= 0]), (full, key)
                torch.testing.assert_close(state[key], expected, rtol=1e-12, atol=0)
                # AdamW's fused kernel reads a moment in the order of memory, not of its strides
                assert memory_order(state[key]) == memory_order(parameter), (full, key)
            if "exp_avg" in before:
                assert torch.equal(state["step"], before["step"])


@ALL
def test_kept_entries_keep_their_weights(family, name):
    """Biases may take something over, and the gains of RMSNorms are rescaled."""
    for moved in transformed(family, name, "sgd"):
        for full, parameter, old, origin in inherited(moved):
            if old is not None and parameter.dim() > 1:
                weights = old.detach().reshape(-1)[origin.clamp(min=0)]
                assert torch.equal(parameter.detach()[origin >= 0], weights[origin >= 0]), full


@ENTRY_BY_ENTRY
@ONE_OF_EACH
def test_the_next_step_of_what_was_there_is_what_it_would_have_been(family, name, optimizer):
    starts, steps = one_step(family, optimizer)
    for moved in transform_each(family, name, optimizer):
        _, trainer, *_ = moved
        before = []
        for full, parameter, old, origin in inherited(moved):
            parameter.grad = torch.ones_like(parameter)  # what is new has a gradient as well
            if old is not None:
                kept = origin >= 0
                parameter.grad[kept] = starts[old][origin[kept]]
                before.append((full, parameter, kept, parameter.detach()[kept], steps[old][origin[kept]]))
        trainer.step()
        for full, parameter, kept, start, expected in before:
            step = parameter.detach()[kept] - start
            torch.testing.assert_close(step, expected, rtol=1e-9, atol=1e-12, msg=full)
            assert expected.all()


@ONE_OF_EACH
def test_the_next_step_of_muon_goes_on_from_the_momentum_of_what_was_there(family, name):
    """As if new entries had had no gradient before: their rows and columns of the momentum are zero."""
    for moved in transform_each(family, name, "muon"):
        child, trainer, _, old_trainer, *_ = moved
        expected = {}
        for full, parameter, old, origin in inherited(moved):
            parameter.grad = torch.empty_like(parameter).normal_(generator=seeded(len(full)))
            if child.roles()[parameter] == "hidden":
                before = torch.zeros(1) if old is None else old_trainer.state[old]["momentum_buffer"]
                momentum = torch.where(origin < 0, 0.0, before.reshape(-1)[origin.clamp(min=0)])
                momentum = MOMENTUM * momentum + (1 - MOMENTUM) * parameter.grad
                ahead = MOMENTUM * momentum + (1 - MOMENTUM) * parameter.grad
                rate, decay = trainer.param_groups[0]["lr"], trainer.param_groups[0]["weight_decay"]
                scale = max(1.0, len(parameter) / parameter[0].numel()) ** 0.5
                step = rate * scale * orthogonal(ahead.flatten(1)).view_as(parameter)
                expected[full] = (1 - rate * decay) * parameter.detach() - step, momentum
        trainer.step()
        parameters = dict(child.named_parameters())
        assert expected
        for full, (weight, momentum) in expected.items():
            torch.testing.assert_close(parameters[full].detach(), weight, msg=full)
            torch.testing.assert_close(trainer.state[parameters[full]]["momentum_buffer"], momentum, msg=full)


@cache
def one_step(family, optimizer):
    """Return for each parameter of the untouched child a gradient, and the step that it leads to, flat."""
    child, trainer = copied(family, optimizer)
    for number, parameter in enumerate(child.parameters()):
        parameter.grad = torch.empty_like(parameter).normal_(generator=seeded(number))
    gradients = [parameter.grad.clone() for parameter in child.parameters()]  # Nesterov's step adds to them
    before = [parameter.detach().clone() for parameter in child.parameters()]
    trainer.step()
    steps = [parameter.detach() - start for parameter, start in zip(child.parameters(), before, strict=True)]
    old = list(untouched(family, optimizer)[0].parameters())
    return tuple(
        {key: tensor.reshape(-1) for key, tensor in zip(old, tensors, strict=True)}
        for tensors in (gradients, steps)
    )


@GROWING
def test_gradient_reaches_every_new_unit_within_two_steps(family, name):
    for moved in transform_each(family, name, "sgd"):
        child, trainer, *_ = moved
        x, y = (make(child.architecture, n=128, seed=7) for make in (samples, labels))
        reached = {n: torch.zeros(p.shape, dtype=torch.bool) for n, p in child.named_parameters()}
        child.train()
        for _ in range(2):
            trainer.zero_grad()
            F.cross_entropy(child(x), y).backward()
            for full, parameter in child.named_parameters():
                reached[full] |= parameter.grad.abs() > 1e-12  # more than rounding
            trainer.step()
        for full, parameter, _, origin in inherited(moved):
            if family.startswith("cnn") and full.endswith("last.bias"):
                continue  # in the last stage every reader's BatchNorm takes a constant out again
            if child.architecture.vocabulary and full in ("stem.weight", "stem.reader.weight"):
                reached[full][:, PADDING] = True  # never seen
            new = origin < 0
            for dimension in range(min(2, parameter.dim())):  # units that write, and units that are read
                others = [d for d in range(parameter.dim()) if d != dimension]
                units = new.sum(others) > 0 if others else new
                hit = (reached[full] & new).sum(others) > 0 if others else reached[full] & new
                assert hit[units].all(), full


@pytest.mark.parametrize(("family", "start"), CHILDREN.items(), ids=CHILDREN)
def test_new_born_children_without_moments_can_be_transformed_too(family, start):
    for name in TRANSFORMATIONS:
        for optimizer, (_, target) in product(("adamw", "muon"), choices(start, [name])[:1]):
            child, trainer = born(start, optimizer)
            child, _ = transform(name, target, child, trainer)
            assert not trainer.state
            train_(child, trainer, steps=1)
            assert set(trainer.state) == set(child.parameters())
