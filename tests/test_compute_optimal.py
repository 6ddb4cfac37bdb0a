"""How long a child trains, and how large it is for that."""

from math import sqrt

import pytest

from mse_rl.costs import cost, training_flops
from mse_rl.costs.compute_optimal import (
    DEFAULT_TRAINING_FLOPS,
    SCALES,
    default_passes,
    default_training_flops,
    first_width,
    optimal_flops,
    scale_of,
)
from mse_rl.spec import FAMILIES, SearchSpace, first_family, starting_architecture
from mse_rl.spec.architecture import Inputs

KINDS = {
    "image": Inputs((3, 16, 16), 0, 10),
    "vector": Inputs((40,), 0, 3),
    "sequence": Inputs((30, 2), 0, 4),
    "tokens": Inputs((20,), 500, 5),
    "long tokens": Inputs((300,), 500, 5),
}
SAMPLES = 20_000


def child(kind, width=None):
    return starting_architecture(first_family(KINDS[kind]), KINDS[kind], SearchSpace(start_width=width))


def width_for(kind, total, fits=lambda first: True):
    inputs = KINDS[kind]
    return first_width(first_family(inputs), inputs, SearchSpace(), samples=SAMPLES, total=total, fits=fits)


def test_every_kind_of_input_has_a_scale():
    assert {name for name, inputs in KINDS.items() if scale_of(inputs) is SCALES[name]} == SCALES.keys()


@pytest.mark.parametrize("kind", SCALES)
def test_the_default_child_is_right_for_the_samples_that_its_scale_names(kind):
    default, scale = child(kind), SCALES[kind]
    right = training_flops(default, int(scale.samples))
    assert optimal_flops(default, 10**9, right) == pytest.approx(cost(default).flops)
    assert optimal_flops(default, 10**9, 4 * right) == pytest.approx(2 * cost(default).flops)


@pytest.mark.parametrize("kind", SCALES)
def test_passes_beyond_those_that_are_enough_go_into_size(kind):
    default = child(kind)
    few = 10  # samples, so that passes decide
    passes = scale_of(default.inputs).lowered(scale_of(default.inputs).passes, few)
    for times in (1, 8):
        assert optimal_flops(default, few, times * 1e15) == pytest.approx(times * 1e15 / (3 * passes * few))


@pytest.mark.parametrize(("samples", "passes"), [(10, 5), (1_500, 10), (1_000_000, 30)])
def test_tables_are_passed_over_by_their_number_of_rows(samples, passes):
    assert default_passes(KINDS["vector"], samples) == passes


def test_the_default_length_is_bounded():
    assert default_training_flops(child("image"), 10**9) == DEFAULT_TRAINING_FLOPS
    assert default_training_flops(child("image"), 100) == training_flops(child("image"), 10_000)


@pytest.mark.parametrize("kind", SCALES)
def test_the_first_child_has_its_share_of_the_flops_that_are_right(kind):
    default, previous = child(kind), 0
    right = training_flops(default, int(SCALES[kind].samples))
    for times in (0.25, 1, 4, 16):
        width = width_for(kind, times * right)
        wanted = SCALES[kind].first_share * optimal_flops(default, SAMPLES, times * right)
        assert cost(child(kind, width)).flops == pytest.approx(wanted, rel=0.4)
        assert width > previous
        previous = width


def test_the_first_child_fits_or_there_is_none():
    unbound = width_for("image", 1e13)
    most = cost(child("image", unbound)).flops / 2
    width = width_for("image", 1e13, fits=lambda first: cost(first).flops <= most)
    assert most / sqrt(2) / 1.2 < cost(child("image", width)).flops <= most
    assert width_for("image", 1e13, fits=lambda first: False) is None


def test_the_first_child_stays_within_the_search_space():
    space = SearchSpace(max_width=64)
    inputs = KINDS["image"]
    width = first_width("cnn", inputs, space, samples=10, total=1e18, fits=lambda first: True)
    assert FAMILIES["cnn"].width // 2 <= width <= 64
    assert space.allows(starting_architecture("cnn", inputs, SearchSpace(start_width=width)))
