import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.architecture import Architecture, Block, Stage
from mse_rl.errors import InvalidArchitecture
from mse_rl.networks import build_child
from mse_rl.search_space import STARTS, SearchSpace, starting_architecture

SIDES = st.integers(1, 70)


@given(st.integers(1, 500), st.floats(1.01, 4), st.integers(1, 16))
def test_a_widening_is_larger_whole_quanta_and_about_the_factor(width, factor, quantum):
    widened = SearchSpace(quantum=quantum).widened(width, factor)
    assert widened > width
    assert widened % quantum == 0
    assert abs(widened - width * factor) <= max(quantum, width * (factor - 1))


def test_the_bounds_are_inclusive():
    def mlp(width, inner, blocks):
        return Architecture("mlp", (3,), 2, (Stage(width, (Block("linear", inner),) * blocks),))

    space = SearchSpace(max_blocks=2, max_width=8)
    assert space.allows(mlp(8, 8, 2))
    assert not space.allows(mlp(9, 8, 2))
    assert not space.allows(mlp(8, 9, 2))
    assert not space.allows(mlp(8, 8, 3))


@pytest.mark.parametrize("bound", ["max_blocks", "max_width", "quantum", "start_width"])
def test_a_bound_below_one_is_refused(bound):
    with pytest.raises(InvalidArchitecture):
        SearchSpace(**{bound: 0})


@pytest.mark.parametrize("family", STARTS)
@given(channels=st.sampled_from((1, 3)), height=SIDES, width=SIDES, classes=st.integers(2, 5))
def test_the_first_child_reads_images_of_any_size_and_may_grow(family, channels, height, width, classes):
    space = SearchSpace(start_width=4)
    first = starting_architecture(family, (channels, height, width), classes, space)
    assert space.allows(first)
    child = build_child(first, generator=torch.Generator().manual_seed(0))
    assert child(torch.zeros(2, channels, height, width)).shape == (2, classes)


@given(st.integers(1, 1000))
def test_the_first_mlp_reads_vectors(features):
    first = starting_architecture("mlp", (features,), 2, SearchSpace())
    assert first.input_size == features


def test_a_cnn_that_cannot_read_its_input_names_the_family_that_can():
    with pytest.raises(InvalidArchitecture, match="mlp"):
        starting_architecture("cnn", (13,), 3, SearchSpace())


def test_an_unknown_family_is_refused_with_a_near_one():
    with pytest.raises(InvalidArchitecture, match="'cnn'"):
        starting_architecture("cn", (1, 8, 8), 10, SearchSpace())
