"""Links lead from an entry or a block to a later block, say nothing at birth, and are told by their ends."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch
from hypothesis import given
from support.children import CHILDREN, SPACE, born, labels, perturb_, samples, trained, transform
from support.strategies import architectures
from torch.nn import functional as F

from mse_rl.networks.layers import without_gaps
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage
from mse_rl.transformations import TRANSFORMATIONS, ChildStatistics

FAMILIES = pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
LINK, UNLINK = TRANSFORMATIONS["link"], TRANSFORMATIONS["unlink"]
DEEP = Architecture(
    "cnn",
    (2, 7, 6),
    3,
    (
        Stage(4, (Block("conv", 4, 3),)),
        Stage(6, (Block("conv", 4, 3),), 2),
        Stage(8, (Block("conv", 4, 3), Block("separable", 4, 3)), 3),
    ),
)


@given(architectures())
def test_every_entry_or_block_and_every_later_block_are_linked_or_can_be(architecture):
    pairs = {Link(*pair) for pair in combinations(architecture.sites, 2) if pair[1].block != ENTRY}
    assert set(UNLINK.targets(architecture)) == set(architecture.links)
    assert set(LINK.targets(architecture)) == pairs - set(architecture.links)


@given(architectures())
def test_linking_and_unlinking_undo_each_other(architecture):
    for target in LINK.targets(architecture):
        linked = LINK.edit(architecture, target, SPACE)
        assert target in linked.links
        assert UNLINK.edit(linked, target, SPACE) == architecture


def test_there_are_no_more_links_than_the_space_allows():
    few = replace(SPACE, max_links=2)
    architecture = CHILDREN["mlp"]  # which has two
    assert few.allows(architecture)
    for target in LINK.targets(architecture):
        assert not few.allows(LINK.edit(architecture, target, few))


def test_across_stages_a_projection_is_strided_as_the_resolution_falls():
    """From 7x6 to 4x3 to 2x1; the stride of the stem is no part of it."""
    for target, stride in (
        (Link(Position(0, 0), Position(1, 0)), 2),
        (Link(Position(0, 0), Position(2, 1)), 6),
        (Link(Position(1, 0), Position(2, 0)), 3),
        (Link(Position(2, 0), Position(2, 1)), 1),
        (Link(Position(0, ENTRY), Position(0, 0)), 1),
        (Link(Position(1, ENTRY), Position(2, 1)), 3),
    ):
        child, optimizer = born(DEEP.with_stage(0, stride=3))
        child, _ = transform("link", target, child, optimizer)
        (projection,) = child.links
        widths = [DEEP.stages[end.stage].width for end in target]
        assert (projection.in_channels, projection.out_channels) == tuple(widths)
        assert (projection.kernel_size, projection.stride) == ((1, 1), (stride, stride))
        assert projection.bias is None


@FAMILIES
def test_a_new_link_is_zero_and_learns_at_once(architecture):
    for target in LINK.targets(architecture):
        child, optimizer = trained(architecture)
        child, _ = transform("link", target, child, optimizer)
        weight = child.links[child.architecture.links.index(target)].weight
        assert not weight.any()
        x, y = (make(architecture, seed=7) for make in (samples, labels))
        F.cross_entropy(child(x), y).backward()
        assert weight.grad.flatten(1).any(dim=1).all()
        assert weight.grad.transpose(0, 1).flatten(1).any(dim=1).all()


@FAMILIES
def test_the_others_keep_their_weights_wherever_they_stand_in_the_row(architecture):
    for name in ("link", "unlink"):
        for target in TRANSFORMATIONS[name].targets(architecture):
            child, optimizer = trained(architecture)
            weights = dict(zip(architecture.links, child.links, strict=True))
            weights = {link: module.weight.detach().clone() for link, module in weights.items()}
            child, _ = transform(name, target, child, optimizer)
            assert set(child.architecture.links) == set(architecture.links) ^ {target}
            for link, module in zip(child.architecture.links, child.links, strict=True):
                assert link == target or torch.equal(module.weight, weights[link])


def test_what_a_link_carries_is_added_ahead_of_its_target_by_hand():
    child, _ = trained(CHILDREN["mlp"])
    x = without_gaps(samples(child.architecture, n=6, seed=3))
    (near, far), transition = child.links, child.transitions[0]
    first = child.block(Position(0, 0))(child.stem(x))
    stream = child.block(Position(0, 1))(first + first @ near.weight.T)
    stream = child.block(Position(1, 0))(transition(stream))
    stream = child.block(Position(1, 1))(stream + first @ far.weight.T)
    torch.testing.assert_close(child(x), child.head(stream), rtol=1e-12, atol=1e-12)


@FAMILIES
def test_from_an_entry_a_link_carries_what_leaves_it(architecture):
    links = (Link(Position(0, ENTRY), Position(1, 1)), Link(Position(1, ENTRY), Position(1, 1)))
    child, _ = trained(replace(architecture, links=links))
    x, seen = samples(architecture, n=6, seed=3), {}
    mask = child.masks(x)[-1]
    parts = {"stem": child.masks(x)[1]}

    def masked(stream, name):
        there = parts.get(name, mask)
        return stream if there is None else stream * there

    for name in ("stem", "transitions.0", "stages.1.0", "stages.1.1", "links.0", "links.1"):
        child.get_submodule(name).register_forward_hook(
            lambda _, read, told, name=name: seen.__setitem__(name, (read[0], masked(told, name)))
        )
    child.eval()(x)
    for entry, link in (("stem", "links.0"), ("transitions.0", "links.1")):
        assert torch.equal(seen[link][0], seen[entry][1])
    told = sum(seen[name][1] for name in ("stages.1.0", "links.0", "links.1"))
    torch.testing.assert_close(seen["stages.1.1"][0], told)


@pytest.mark.parametrize("family", ["cnn of sequences", "cnn of tokens", "rnn", "transformer"])
def test_links_leave_the_stream_zero_where_there_is_nothing(family):
    architecture = CHILDREN[family]
    child, _ = born(architecture)
    perturb_(child, seed=4)
    x = samples(architecture, n=32, seed=3)
    for link in architecture.links:
        child.block(link.target).register_forward_pre_hook(lambda _, arguments: seen.append(arguments))
    seen = []
    child(x)
    assert len(seen) == 2
    assert not any((stream * ~mask).any() or mask.all() for stream, mask in seen)


@FAMILIES
def test_a_link_that_carries_something_is_missed_when_it_goes(architecture):
    for index, target in enumerate(architecture.links):
        child, optimizer = trained(architecture)
        weight = child.links[index].weight
        lost = UNLINK.lost(child, target, SPACE, ChildStatistics())
        assert lost == pytest.approx(weight.square().sum().item())
        child, receipt = transform("unlink", target, child, optimizer)
        assert receipt.output_change > 1e-6
        assert receipt.parameters_before - receipt.parameters_after == weight.numel()
