from math import lcm

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.errors import InvalidArchitecture
from mse_rl.networks import build_child
from mse_rl.spec import FAMILIES, SearchSpace, first_family, starting_architecture
from mse_rl.spec.architecture import Architecture, Block, Inputs, Link, Position, Stage

SIDES = st.integers(1, 70)


@given(st.integers(1, 500), st.floats(1.01, 4), st.integers(1, 16), st.integers(1, 6))
def test_a_widening_is_larger_whole_quanta_and_about_the_factor(width, factor, quantum, unit):
    widened = SearchSpace(quantum=quantum).widened(width, factor, unit)
    step = lcm(quantum, unit)
    assert widened > width
    assert widened % step == 0
    assert abs(widened - width * factor) <= max(step, width * (factor - 1))


@given(st.integers(1, 500), st.floats(0.1, 0.99), st.integers(1, 16), st.integers(1, 6))
def test_a_narrowing_is_smaller_whole_quanta_and_about_the_factor(width, factor, quantum, unit):
    narrowed = SearchSpace(quantum=quantum).narrowed(width, factor, unit)
    step = lcm(quantum, unit)
    if width <= step:
        assert narrowed == width  # there is nothing smaller
    else:
        assert 0 < narrowed < width
        assert narrowed % step == 0
        assert abs(narrowed - width * factor) <= max(step, width * (1 - factor))


def test_the_bounds_are_inclusive():
    def mlp(width, inner, blocks):
        return Architecture("mlp", (3,), 2, (Stage(width, (Block("linear", inner),) * blocks),))

    space = SearchSpace(max_blocks=2, max_width=8)
    assert space.allows(mlp(8, 8, 2))
    assert not space.allows(mlp(9, 8, 2))
    assert not space.allows(mlp(8, 9, 2))
    assert not space.allows(mlp(8, 8, 3))


def test_kernels_and_links_are_bounded_too():
    blocks = (Block("conv", 4, 5), Block("conv", 4, 3))
    linked = Architecture(
        "cnn", (1, 8, 8), 2, (Stage(4, blocks),), links=(Link(Position(0, 0), Position(0, 1)),)
    )
    assert SearchSpace(max_kernel=5, max_links=1).allows(linked)
    assert not SearchSpace(max_kernel=3, max_links=1).allows(linked)
    assert not SearchSpace(max_kernel=5, max_links=0).allows(linked)


def test_stages_are_bounded_and_blocks_and_links_may_be_forbidden():
    bare = Architecture("mlp", (3,), 2, (Stage(4),) * 3)
    assert SearchSpace(max_stages=3, max_blocks=0, max_links=0, max_kernel=1).allows(bare)
    assert SearchSpace(max_stages=2).exceeded(bare) == "max_stages"


def test_there_is_a_site_for_every_stage_and_every_block():
    assert SearchSpace(max_stages=3, max_blocks=4).max_sites == 7


@pytest.mark.parametrize(
    ("bound", "most"),
    [
        *((name, 0) for name in ("max_stages", "max_width", "max_kernel", "quantum", "head_width")),
        ("start_width", -1),
        ("max_blocks", -1),
        ("max_links", -1),
    ],
)
def test_a_bound_that_no_child_can_keep_to_is_refused(bound, most):
    with pytest.raises(InvalidArchitecture):
        SearchSpace(**{bound: most})


@pytest.mark.parametrize(
    ("side", "strides", "grid"),
    [
        (7, [1], 7),
        (8, [2, 1], 4),
        (15, [2, 1], 8),
        (28, [2, 2, 1], 7),
        (32, [2, 2, 2, 1], 4),
        (64, [2, 2, 2, 2, 1], 4),
        (96, [4, 2, 2, 1], 6),
        (224, [8, 2, 2, 1], 7),
    ],
)
def test_the_first_cnn_pools_until_four_to_seven_pixels_are_left_and_has_no_blocks(side, strides, grid):
    first = starting_architecture("cnn", Inputs((3, side, side + 5), 0, 10), SearchSpace())
    widths = [16, 32, 64, 64, 64][: len(strides)]
    assert first.stages == tuple(
        Stage(width, (), stride, "silu") for width, stride in zip(widths, strides, strict=False)
    )
    assert FAMILIES["cnn"].grid(first, len(strides) - 1)[0] == grid


@pytest.mark.parametrize(
    ("side", "most_stages", "stages"),
    [
        (15, 6, [(14, 2), (28, 1)]),
        (28, 6, [(14, 2), (28, 2), (28, 1), (56, 1)]),
        (32, 6, [(14, 2), (28, 2), (28, 1), (56, 2), (56, 1), (56, 1)]),
        (32, 5, [(14, 2), (28, 2), (56, 2), (56, 1), (56, 1)]),
        (32, 3, [(14, 2), (28, 2), (56, 2), (56, 1)]),
        (64, 6, [(14, 2), (28, 2), (56, 2), (56, 2), (56, 1), (56, 1)]),
    ],
)
def test_a_wide_first_cnn_has_a_second_convolution_behind_poolings_where_there_is_room(
    side, most_stages, stages
):
    space = SearchSpace(start_width=14, max_stages=most_stages)
    first = starting_architecture("cnn", Inputs((3, side, side), 0, 10), space)
    assert [(stage.width, stage.stride) for stage in first.stages] == stages


@pytest.mark.parametrize(
    ("steps", "strides", "left"),
    [
        (1, [1], 1),
        (7, [1], 7),
        (8, [2, 1], 4),
        (29, [2, 2, 1], 8),
        (150, [4, 2, 2, 2, 1], 5),
        (1460, [4, 4, 4, 4, 1], 6),
        (100_000, [16, 16, 8, 8, 1], 7),
    ],
)
def test_the_first_cnn_over_a_sequence_has_at_most_four_entries_that_pool(steps, strides, left):
    first = starting_architecture("cnn", Inputs((steps, 3), 0, 10), SearchSpace())
    assert [stage.stride for stage in first.stages] == strides
    assert [stage.width for stage in first.stages] == [16, 32, 64, 64, 64][: len(strides)]
    assert FAMILIES["cnn"].grid(first, len(strides) - 1) == (left,)


@pytest.mark.parametrize(
    ("steps", "strides"), [(1, [1, 1]), (35, [1, 2, 1]), (64, [1, 2, 2, 1]), (200, [1, 4, 2, 1])]
)
def test_the_first_cnn_over_tokens_begins_with_a_table_that_keeps_every_step(steps, strides):
    first = starting_architecture("cnn", Inputs((steps,), 9, 10), SearchSpace())
    assert [stage.stride for stage in first.stages] == strides
    assert [stage.width for stage in first.stages] == [16, 32, 32, 32][: len(strides)]
    child = build_child(first, generator=torch.Generator().manual_seed(0))
    assert child.stem(torch.ones(2, steps, dtype=torch.int64)).shape == (2, 16, 1, steps)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_width_is_that_of_the_family_unless_another_is_given(family):
    inputs = Inputs((1, 8, 8), 0, 3)
    usual, narrow = (starting_architecture(family, inputs, SearchSpace(start_width=w)) for w in (None, 4))
    assert usual.stages[0].width == FAMILIES[family].width
    assert narrow.stages[0].width == 4


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if "image" in family.reads])
@given(channels=st.sampled_from((1, 3)), height=SIDES, width=SIDES, classes=st.integers(2, 5))
def test_the_first_child_reads_images_of_any_size_and_may_grow(family, channels, height, width, classes):
    space = SearchSpace(start_width=4)
    first = starting_architecture(family, Inputs((channels, height, width), 0, classes), space)
    assert space.allows(first)
    child = build_child(first, generator=torch.Generator().manual_seed(0))
    assert child(torch.zeros(2, channels, height, width)).shape == (2, classes)


@pytest.mark.parametrize(
    ("family", "kind"), [(name, kind) for name, family in FAMILIES.items() for kind in family.reads]
)
def test_the_first_child_reads_every_kind_that_its_family_reads(family, kind):
    shape = {"image": (1, 8, 8), "vector": (5,), "sequence": (6, 3), "tokens": (6,)}[kind]
    inputs = Inputs(shape, 7 if kind == "tokens" else 0, 3)
    assert inputs.kind == kind
    child = build_child(
        starting_architecture(family, inputs, SearchSpace()), generator=torch.Generator().manual_seed(0)
    )
    x = torch.zeros(2, *shape, dtype=torch.int64 if kind == "tokens" else torch.float32)
    assert child(x).shape == (2, 3)


@pytest.mark.parametrize(
    ("family", "inputs", "able"),
    [
        ("cnn", Inputs((13,), 0, 3), "`family` mlp"),
        ("rnn", Inputs((13,), 0, 3), "`family` mlp"),
        ("transformer", Inputs((13,), 0, 3), "`family` mlp"),
    ],
    ids=str,
)
def test_a_family_that_cannot_read_its_input_names_those_that_can(family, inputs, able):
    with pytest.raises(InvalidArchitecture) as refused:
        starting_architecture(family, inputs, SearchSpace())
    assert str(refused.value).endswith(f"use {able}")


@pytest.mark.parametrize(
    ("inputs", "family"),
    [(Inputs((64,), 9, 2), "cnn"), (Inputs((65,), 9, 2), "mlp"), (Inputs((65, 1), 0, 2), "cnn")],
    ids=["short texts", "long texts", "sequences"],
)
def test_the_family_follows_the_inputs(inputs, family):
    assert first_family(inputs) == family


def test_an_unknown_family_is_refused_with_a_near_one():
    with pytest.raises(InvalidArchitecture, match="'cnn'"):
        starting_architecture("cn", Inputs((1, 8, 8), 0, 10), SearchSpace())
