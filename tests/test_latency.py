"""Latency is measured: once for each architecture, on what the family reads, by a clock."""

from itertools import accumulate, chain, repeat

import pytest
import torch
from support.grown import START, grown
from support.problems import FAMILIES

from mse_rl.costs.measures import Latency
from mse_rl.errors import InvalidConfig, InvalidRun
from mse_rl.networks import latency
from mse_rl.networks.latency import REPEATS, WARM_UPS, LatencyFolder, LatencyMeter
from mse_rl.transformations import TRANSFORMATIONS


@pytest.fixture
def builds(monkeypatch):
    """Return a list that grows by the architecture of every child that is built to be measured."""
    built, build = [], latency.build_child

    def counted(architecture, **settings):
        built.append(architecture)
        return build(architecture, **settings)

    monkeypatch.setattr(latency, "build_child", counted)
    return built


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_measured_and_each_architecture_once(family, batch, builds):
    meter, architecture = LatencyMeter(batch), grown(family).state.architecture
    first = meter.measure(architecture)
    assert first.median_seconds > 0
    assert first.spread_seconds >= 0
    assert meter.measure(architecture) is first
    other = TRANSFORMATIONS["remove_block"].edit(architecture, START, grown(family).space)
    assert meter.measure(other) is not first
    assert builds == [architecture, other]


def test_median_and_interquartile_range_are_those_of_the_repeats():
    """Passes take 7, 6, ..., 1 seconds after the warm-ups: the median is 4, the middle half 2.5 to 5.5."""
    passes = [100] * WARM_UPS + list(range(REPEATS, 0, -1))
    times = iter(accumulate(chain.from_iterable((0.5, seconds) for seconds in passes)))
    seen = LatencyMeter(clock=lambda: next(times)).measure(grown("mlp").state.architecture)
    assert REPEATS == 7
    assert (seen.median_seconds, seen.spread_seconds) == (4, 3)
    assert next(times, None) is None


def test_a_fading_activation_counts_as_what_it_will_be(builds):
    process, meter = grown("mlp"), LatencyMeter()
    architecture = process.state.architecture
    name = "activation_tanh"
    fading = TRANSFORMATIONS[name].edit(architecture, START, process.space)
    assert fading.block(START).fading
    seen = meter.measure(fading)
    assert builds == [fading.with_block(START, fading=None)] == [fading.settled()]
    assert meter.measure(fading.settled()) is seen


def test_what_is_measured_is_in_evaluation_mode_and_learns_nothing(monkeypatch):
    seen, forward = [], latency.Child.forward

    def watched(child, inputs):
        seen.append((child.training, torch.is_inference_mode_enabled(), inputs.shape))
        return forward(child, inputs)

    monkeypatch.setattr(latency.Child, "forward", watched)
    LatencyMeter(3).measure(grown("transformer").state.architecture)
    assert seen == [(False, True, (3, 8))] * (WARM_UPS + REPEATS)


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    LatencyMeter().measure(grown("rnn").state.architecture)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gpu_is_measured_where_it_is_asked_for(family):
    seen = LatencyMeter(4, "cuda").measure(grown(family).state.architecture)
    assert seen.median_seconds > 0
    assert seen.spread_seconds >= 0


def ticking(seconds):
    """Return a clock by which every pass takes so long."""
    return accumulate(repeat(seconds)).__next__


def test_processes_that_share_a_folder_go_by_what_the_first_has_measured(tmp_path, builds):
    known, new = grown("mlp").state.architecture, grown("cnn").state.architecture
    main = LatencyMeter(clock=ticking(1))
    before = main.measure(known)
    first, second = main.within(tmp_path), LatencyMeter(clock=ticking(2)).within(tmp_path)
    builds.clear()
    assert first.measure(known) == before
    assert first.measure(new) == second.measure(new) == Latency(1, 0)
    assert builds == [new]
    assert second.measure(known) == Latency(2, 0)
    assert [path.suffix for path in tmp_path.iterdir()] == [".json", ".json"]


def test_of_two_that_measure_at_once_the_first_to_be_done_counts_for_both(tmp_path):
    architecture, other = grown("mlp").state.architecture, LatencyFolder(tmp_path)

    def late():
        other.settle(architecture, lambda: Latency(1, 0))
        return Latency(2, 0)

    assert LatencyFolder(tmp_path).settle(architecture, late) == Latency(1, 0)
    assert len(list(tmp_path.iterdir())) == 1


def test_without_a_place_to_write_there_is_one_line_for_processes_would_disagree(tmp_path):
    with pytest.raises(InvalidRun, match="takes no file: No such file"):
        LatencyFolder(tmp_path / "gone").settle(grown("mlp").state.architecture, lambda: Latency(3, 0))


def test_a_batch_that_does_not_fit_into_memory_is_one_line():
    with pytest.raises(InvalidConfig, match=r"batch of 1,000,000,000,000 cannot .* lower `latency_batch`"):
        LatencyMeter(10**12).measure(grown("cnn").state.architecture)
