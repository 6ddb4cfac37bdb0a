"""Edits are pure, tell where blocks came from, and are known by name."""

import inspect
import json
from dataclasses import asdict, replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.children import CHILDREN, SPACE, born, choices, trained, transform
from support.strategies import FAMILY_NAMES, architectures, cnns

from mse_rl import transformations
from mse_rl.costs import cost
from mse_rl.spec import ACTIVATIONS, FAMILIES, KINDS
from mse_rl.spec.architecture import ENTRY, Architecture, Link, Position, Stage
from mse_rl.transformations import TRANSFORMATIONS, Inert, Shrinking, Transformation

NAMES = st.sampled_from(list(TRANSFORMATIONS))
SHAPES = {"child": type(None), "block": Position, "pair": Link}
STEM, START = Position(0, ENTRY), Position(0, 0)


def aims(draw, architecture):
    """Draw a transformation and one of its targets."""
    name = draw(
        st.sampled_from([n for n, known in TRANSFORMATIONS.items() if [*known.targets(architecture)]])
    )
    return TRANSFORMATIONS[name], draw(st.sampled_from([*TRANSFORMATIONS[name].targets(architecture)]))


@given(architectures(), NAMES)
def test_targets_exist_and_match_the_scope_and_edits_leave_the_architecture_alone(architecture, name):
    transformation = TRANSFORMATIONS[name]
    before = architecture.to_json()
    targets = list(transformation.targets(architecture))
    assert len(set(targets)) == len(targets)
    for target in targets:
        assert type(target) is SHAPES[transformation.scope]
        ends = [] if target is None else [target] if transformation.scope == "block" else target
        assert all(architecture.has(end) for end in ends)
        once, twice = (transformation.edit(architecture, target, SPACE) for _ in range(2))
        assert once == twice
        if isinstance(transformation, Inert):
            assert once == architecture
        elif isinstance(transformation, Shrinking):
            assert cost(once).parameters <= cost(architecture).parameters
        else:
            assert once != architecture
            assert cost(once).parameters >= cost(architecture).parameters
    assert architecture.to_json() == before


@given(st.data(), architectures())
def test_origins_name_every_block_of_the_new_child_and_every_kept_one_once_in_order(data, architecture):
    transformation, target = aims(data.draw, architecture)
    after = transformation.edit(architecture, target, SPACE)
    origins = transformation.origins(architecture, target)
    assert set(origins) == {position for position, _ in after}
    kept = [origins[new] for new in sorted(origins) if origins[new] is not None]
    gone = target if transformation.name == "remove_block" else None
    assert kept == [position for position, _ in architecture if position != gone]
    assert sum(origin is None for origin in origins.values()) == transformation.name.startswith("deepen")
    for new, origin in origins.items():
        if origin not in (None, target) and "_child_" not in transformation.name:
            assert after.block(new) == architecture.block(origin)


@given(st.data(), architectures())
def test_links_follow_the_blocks_that_they_join(data, architecture):
    transformation, target = aims(data.draw, architecture)
    after = transformation.edit(architecture, target, SPACE)
    origins = transformation.origins(architecture, target)
    was = {Link(*(origins.get(end, end) for end in link)) for link in after.links}  # entries stay
    if transformation.name == "link":
        assert was == {*architecture.links, target}
    elif transformation.name == "unlink":
        assert was == {*architecture.links} - {target}
    elif transformation.name == "remove_block":
        assert was == {link for link in architecture.links if target not in link}
    else:
        assert was == {*architecture.links}


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_every_family_deepens_by_its_own_kinds_at_every_entry_and_block(family):
    architecture = CHILDREN[family]
    for kind in KINDS:
        targets = list(TRANSFORMATIONS[f"deepen_{kind}"].targets(architecture))
        assert targets == (architecture.sites if kind in FAMILIES[family].kinds else [])


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize(
    "target", [STEM, Position(0, 0), Position(0, 1), Position(1, ENTRY), Position(1, 0)], ids=str
)
def test_deepen_moves_the_blocks_behind_with_their_weights_and_links(family, target):
    architecture = CHILDREN[family]
    for kind in FAMILIES[family].kinds:
        child, optimizer = trained(architecture)
        blocks = {
            position: [tensor.clone() for tensor in block.state_dict().values()]
            for position, block in child.blocks()
        }
        links = [link.weight.clone() for link in child.links]
        child, _ = transform(f"deepen_{kind}", target, child, optimizer)

        def moved(position):
            behind = position.stage == target.stage and position.block > target.block
            return position._replace(block=position.block + behind)

        new = Position(target.stage, target.block + 1)
        assert child.architecture.block(new).kind == kind
        assert not any(parameter.any() for parameter in child.block(new).last.parameters())
        for position, tensors in blocks.items():
            now = child.block(moved(position)).state_dict().values()
            assert all(torch.equal(a, b) for a, b in zip(now, tensors, strict=True))
        assert child.architecture.links == tuple(
            Link(moved(source), moved(end)) for source, end in architecture.links
        )
        assert all(torch.equal(a.weight, b) for a, b in zip(child.links, links, strict=True))


@given(cnns())
def test_a_new_block_takes_kernel_and_activation_of_the_one_ahead(architecture):
    for position, block in architecture:
        after = TRANSFORMATIONS["deepen_separable"].edit(architecture, position, SPACE)
        new = after.block(position._replace(block=position.block + 1))
        assert (new.kind, new.kernel, new.activation) == ("separable", block.kernel, block.activation)
        assert new.fading is None


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_a_new_block_behind_an_entry_is_as_its_kind_begins(family):
    bare = replace(CHILDREN[family], stages=(Stage(8, stride=2), Stage(6)), links=())
    for kind in FAMILIES[family].kinds:
        for entry in bare.sites:
            after = TRANSFORMATIONS[f"deepen_{kind}"].edit(bare, entry, SPACE)
            new, known = after.block(Position(entry.stage, 0)), KINDS[kind]
            assert (after.depth, after.stages[0].stride) == (1, 2)
            assert (new.kind, new.kernel) == (kind, 3 if known.kernels else 1)
            assert new.activation == (known.activation if known.activations else "none")
            head = SPACE.head_width if known.heads else 1
            assert (new.inner, new.head_width) == (bare.stages[entry.stage].width // head * head, head)


def test_a_new_block_of_attention_has_whole_heads_at_least_one():
    for width, units in ((4, 4), (6, 4), (2, 4), (9, 8)):
        architecture = CHILDREN["transformer"].with_stage(0, width=width)
        after = TRANSFORMATIONS["deepen_attention"].edit(architecture, Position(0, 1), SPACE)
        new = after.block(Position(0, 2))
        assert (new.inner, new.head_width, new.activation) == (units, SPACE.head_width, "none")
        beside = TRANSFORMATIONS["deepen_linear"].edit(architecture, START, SPACE).block(Position(0, 1))
        assert (beside.inner, beside.activation) == (width, "gelu")  # attention has none to hand on


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("factor", [1.25, 1.5, 2, 4])
def test_widenings_widen_by_what_they_say_in_whole_quanta(family, factor):
    architecture = CHILDREN[family].with_stage(0, width=8).with_block(START, inner=8)
    inner = TRANSFORMATIONS[f"widen_inner_x{factor:g}"].edit(architecture, START, SPACE)
    assert inner == architecture.with_block(START, inner=int(8 * factor))
    widen_stream = TRANSFORMATIONS[f"widen_stream_x{factor:g}"]
    stream = widen_stream.edit(architecture, STEM, SPACE)
    assert stream == architecture.with_stage(0, width=int(8 * factor))
    assert list(widen_stream.targets(architecture)) == [STEM, Position(1, ENTRY)]


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("factor", [0.75, 0.5])
def test_narrowings_narrow_by_what_they_say_in_whole_quanta(family, factor):
    architecture = CHILDREN[family].with_stage(0, width=8).with_block(START, inner=8)
    inner = TRANSFORMATIONS[f"narrow_inner_x{factor:g}"].edit(architecture, START, SPACE)
    assert inner == architecture.with_block(START, inner=int(8 * factor))
    stream = TRANSFORMATIONS[f"narrow_stream_x{factor:g}"].edit(architecture, STEM, SPACE)
    assert stream == architecture.with_stage(0, width=int(8 * factor))


@pytest.mark.parametrize("name", [name for name in TRANSFORMATIONS if "_child_" in name])
@given(architectures())
def test_a_child_is_resized_as_each_of_its_blocks_and_streams_would_be(name, architecture):
    expected = architecture
    for kind, targets in (
        ("inner", [position for position, _ in architecture]),
        ("stream", [Position(stage, ENTRY) for stage in range(len(architecture.stages))]),
    ):
        for target in targets:
            part = TRANSFORMATIONS[name.replace("child", kind)]
            expected = part.edit(expected, target, SPACE)
    assert list(TRANSFORMATIONS[name].targets(architecture)) == [None]
    assert TRANSFORMATIONS[name].edit(architecture, None, SPACE) == expected


def test_a_child_twice_as_wide_has_about_four_times_the_flops():
    plain = Architecture("cnn", (3, 32, 32), 10, tuple(Stage(w, stride=2) for w in (16, 32, 64)))
    twice = TRANSFORMATIONS["widen_child_x2"].edit(plain, None, replace(SPACE, max_width=512))
    assert [stage.width for stage in twice.stages] == [32, 64, 128]
    assert 3 < cost(twice).flops / cost(plain).flops < 4


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("widen_inner_x1.25", 5),
        ("widen_inner_x1.5", 6),
        ("widen_inner_x2", 8),
        ("widen_inner_x4", 16),
        ("narrow_inner_x0.75", 3),
        ("narrow_inner_x0.5", 2),
    ],
)
def test_attention_has_more_or_fewer_heads_of_the_same_width(name, heads):
    wide = CHILDREN["transformer"].with_block(START, inner=4 * 6, head_width=6)
    block = TRANSFORMATIONS[name].edit(wide, START, SPACE).block(START)
    assert (block.inner, block.head_width) == (heads * 6, 6)


@given(architectures(), st.sampled_from([n for n in TRANSFORMATIONS if n.startswith("narrow")]))
def test_what_is_as_narrow_as_it_gets_stays_as_it_is(architecture, name):
    transformation = TRANSFORMATIONS[name]
    for target in transformation.targets(architecture):
        narrower = architecture
        for _ in range(12):
            narrower = transformation.edit(narrower, target, SPACE)
        assert transformation.edit(narrower, target, SPACE) == narrower


def test_a_narrowing_with_nothing_to_do_hands_back_the_very_child():
    architecture = CHILDREN["mlp"].with_block(START, inner=2)
    child, optimizer = born(architecture)
    same, receipt = transform("narrow_inner_x0.5", START, child, optimizer)
    assert same is child
    assert (receipt.output_change, receipt.parameters_before) == (0, receipt.parameters_after)


def test_kernels_grow_by_two_where_there_are_any():
    transformation = TRANSFORMATIONS["grow_kernel"]
    cnn = CHILDREN["cnn"]
    assert list(transformation.targets(cnn)) == [position for position, _ in cnn]
    for position, block in cnn:
        grown = transformation.edit(cnn, position, SPACE)
        assert grown == cnn.with_block(position, kernel=block.kernel + 2)
    for family in ("mlp", "rnn", "transformer"):
        assert not list(transformation.targets(CHILDREN[family]))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_change_where_there_is_another_one_that_does_not_fade(name):
    transformation = TRANSFORMATIONS[f"activation_{name}"]
    for architecture in CHILDREN.values():
        targets = list(transformation.targets(architecture))
        assert targets == [p for p, block in architecture if block.activation not in (name, "none")]
        for target in targets:
            after = transformation.edit(architecture, target, SPACE)
            old = architecture.block(target)
            assert after.block(target) == replace(old, activation=name, fading=old.activation)
            for other in ACTIVATIONS:
                assert target not in list(TRANSFORMATIONS[f"activation_{other}"].targets(after))


def test_every_block_may_be_removed_also_the_last_one_of_a_stage():
    architecture = CHILDREN["mlp"]
    transformation = TRANSFORMATIONS["remove_block"]
    assert list(transformation.targets(architecture)) == [position for position, _ in architecture]
    alone = transformation.edit(architecture, Position(1, 0), SPACE)
    assert alone.block(Position(1, 0)) == architecture.block(Position(1, 1))
    empty = transformation.edit(alone, Position(1, 0), SPACE)
    assert empty.stages[1] == Stage(6)
    assert list(transformation.targets(empty)) == [Position(0, 0), Position(0, 1)]


@pytest.mark.parametrize("family", FAMILY_NAMES)
@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_the_receipt_tells_the_cost_before_and_after(name, family):
    architecture = CHILDREN[family]
    for target in TRANSFORMATIONS[name].targets(architecture):
        child, optimizer = born(architecture)
        child, receipt = transform(name, target, child, optimizer)
        before, after = cost(architecture), cost(child.architecture)
        assert child.architecture == TRANSFORMATIONS[name].edit(architecture, target, SPACE)
        assert (receipt.transformation, receipt.target) == (name, target)
        assert (receipt.flops_before, receipt.flops_after) == (before.flops, after.flops)
        assert (receipt.parameters_before, receipt.parameters_after) == (before.parameters, after.parameters)
        assert receipt.parameters_after == sum(p.numel() for p in child.parameters())
        assert json.loads(json.dumps(asdict(receipt)))["transformation"] == name


@pytest.mark.parametrize("name", ["wait", "stop"])
def test_the_inert_ones_hand_back_the_very_child(name):
    child, optimizer = born(CHILDREN["cnn"])
    same, receipt = transform(name, None, child, optimizer)
    assert same is child
    assert receipt.output_change == 0


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_new_weights_are_drawn_by_the_generator_alone(family):
    names = ("deepen", "widen_inner_x2", "widen_child_x2", "link")
    names = [name for name in TRANSFORMATIONS if name.startswith(names)]

    def weights(name, target, seed):
        child, optimizer = born(CHILDREN[family])
        return transform(name, target, child, optimizer, seed=seed)[0].state_dict()

    for name, target in choices(CHILDREN[family], names):
        torch.rand(3)  # where no seed would put it
        before = torch.get_rng_state()
        first = weights(name, target, 0)
        assert torch.equal(before, torch.get_rng_state())
        torch.rand(3)
        again, other = weights(name, target, 0), weights(name, target, 1)
        assert all(torch.equal(tensor, again[key]) for key, tensor in first.items())
        drawn = {key for key, tensor in first.items() if not torch.equal(tensor, other[key])}
        assert bool(drawn) == (name != "link")  # which is zero


@pytest.mark.parametrize("family", FAMILY_NAMES)
def test_other_seeds_change_new_units_alone(family):
    def intake(seed):
        child, optimizer = born(CHILDREN[family])
        child, _ = transform("widen_inner_x2", START, child, optimizer, seed=seed)
        weight, gate = child.block(START).intake
        return weight.chunk(max(1, len(weight) // 8))[gate].detach()  # (8, in, ...)

    first, other = intake(0), intake(1)
    assert torch.equal(first[:4], other[:4])
    assert (first[4:] != other[4:]).flatten(1).all(1).all()


def test_the_registry_holds_every_transformation_once_under_its_own_name():
    assert [transformation.name for transformation in TRANSFORMATIONS.values()] == list(TRANSFORMATIONS)
    kinds = {type(transformation) for transformation in TRANSFORMATIONS.values()}
    written = {
        kind
        for module in (transformations, *vars(transformations).values())
        if inspect.ismodule(module)
        for kind in vars(module).values()
        if inspect.isclass(kind)
        and issubclass(kind, transformations.Transformation)
        and kind.__module__ == module.__name__
        and module.__name__ != "mse_rl.transformations.base"
        and not any(made.__module__.startswith("mse_rl.") for made in kind.__subclasses__())
    }
    assert written == kinds
    assert next(iter(TRANSFORMATIONS)) == "wait"


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_every_transformation_is_documented_and_says_what_it_takes_away(name):
    transformation = TRANSFORMATIONS[name]
    assert type(transformation).__doc__
    assert inspect.getmodule(type(transformation)).__doc__
    assert transformation.preserving == (not isinstance(transformation, Shrinking))
    assert transformation.adds_units == name.startswith("widen_inner")


def test_what_takes_something_away_has_to_say_what_is_lost():
    with pytest.raises(TypeError, match=r"derive it from mse_rl\.transformations\.Shrinking"):
        type("Free", (Transformation,), {"preserving": False})
    silent = type("Silent", (Shrinking,), {"targets": None, "edit": None})
    with pytest.raises(TypeError, match="lost"):
        silent()


def test_what_a_decision_does_beside_an_edit_is_said_by_the_transformation():
    assert [name for name, change in TRANSFORMATIONS.items() if change.changes_nothing] == ["wait"]
    assert [name for name, change in TRANSFORMATIONS.items() if change.ends_growth] == ["stop"]
