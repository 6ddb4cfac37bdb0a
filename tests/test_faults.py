"""What goes wrong with a child is taken back once; the second time its growth has failed."""

from dataclasses import replace
from functools import partial
from math import nan

import pytest
import torch
from support.playing import episode

from mse_rl.agents.ppo import require_survivors
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import ChildFailed, InvalidConfig
from mse_rl.growth.cache import PrefixCache
from mse_rl.spec.architecture import ENTRY, Position
from mse_rl.training import LiveChild, fault_of
from mse_rl.training.faults import SliceOverrun
from mse_rl.transformations import WAIT, Decision

STEM = Position(0, ENTRY)
DEEPEN = Decision("deepen_conv", STEM)


def no_number(live, result):
    return replace(result, loss=nan)


def no_weight(live, result):
    next(iter(live.child.parameters())).data.view(-1)[0] = nan
    return result


def no_memory(live, result):
    torch.empty(1 << 50)


def no_time(live, result):
    raise SliceOverrun


FAULTS = {no_number: "diverged", no_weight: "diverged", no_memory: "memory", no_time: "time"}


@pytest.fixture
def go_wrong(monkeypatch):
    """Return a function that makes something go wrong in slices to come, after their training."""

    def begin(how, slices=1):
        train, left = LiveChild.train_, [slices]

        def train_(live, *arguments, **more):
            result = train(live, *arguments, **more)
            left[0] -= 1
            return how(live, result) if left[0] >= 0 else result

        monkeypatch.setattr(LiveChild, "train_", train_)

    return begin


def numbers(process):
    snapshot = process.live.capture()
    moments = {f"{name} {key}": t for name, state in snapshot.moments.items() for key, t in state.items()}
    return snapshot.architecture, {name: t.clone() for name, t in (snapshot.weights | moments).items()}


def same(one, other):
    return one[0] == other[0] and all(torch.equal(tensor, other[1][name]) for name, tensor in one[1].items())


@pytest.mark.parametrize("cache", [None, PrefixCache(1 << 26)], ids=["no cache", "cache"])
@pytest.mark.parametrize("how", FAULTS)
def test_the_first_fault_is_taken_back_and_the_second_ends_the_growth(grow, go_wrong, how, cache):
    process = grow(cache=cache)
    before = process.advance(*WAIT)
    kept, usual = numbers(process), set(process.choices())
    go_wrong(how, slices=2)
    after = process.advance(*DEEPEN)
    assert (after.fault, after.failed, process.finished) == (FAULTS[how], False, False)
    assert (after.slice_index, after.validation) == (2, before.validation)
    assert after.rolled_back
    assert after.receipt.flops_after > after.receipt.flops_before == before.flops
    assert after.training_flops == before.training_flops + 3 * after.receipt.flops_after * 3 * 16
    assert same(numbers(process), kept)
    assert set(process.choices()) == usual - {DEEPEN}
    end = process.advance(*WAIT)
    assert (end.fault, end.failed, process.complete) == (FAULTS[how], True, True)
    assert end.validation.skill == process.test().skill == 0
    assert same(numbers(process), kept)


def test_after_a_fault_that_was_taken_back_the_growth_goes_on(grow, go_wrong):
    process = grow()
    go_wrong(no_memory)
    process.advance(*DEEPEN)
    assert process.advance(*WAIT).fault is None
    assert process.advance(*DEEPEN).architecture.depth == 1
    assert not process.state.failed


def test_what_runs_out_while_a_child_is_transformed_is_a_fault_as_well(grow, monkeypatch):
    process = grow()

    def transform_(*arguments, **settings):
        raise MemoryError

    monkeypatch.setattr(LiveChild, "transform_", transform_)
    assert process.advance(*DEEPEN).fault == "memory"


def test_a_slice_beyond_its_time_limit_is_a_fault(grow):
    process = grow(slice_limit_seconds=1e-9)
    assert process.advance(*WAIT).fault == "time"
    assert process.advance(*WAIT).failed


def test_what_is_no_fault_of_the_child_is_raised(grow, go_wrong):
    def bug(live, result):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    process = grow()
    go_wrong(bug)
    with pytest.raises(RuntimeError, match="mat1"):
        process.advance(*WAIT)


def test_torch_says_in_its_own_way_that_memory_has_run_out():
    assert fault_of(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")) == "memory"
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 50)
    assert fault_of(caught.value) == "memory"


def test_no_other_process_finds_in_the_cache_what_went_wrong_here(grow, go_wrong):
    cache, plain = PrefixCache(1 << 26), grow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveChild, "train_", partial(lambda train, *given, **more: no_memory(None, None), None))
        grow(cache=cache).advance(*DEEPEN)
    process = grow(cache=cache)
    for decision in (DEEPEN, WAIT):
        assert process.advance(*decision) == plain.advance(*decision)
    assert same(numbers(process), numbers(plain))


def test_a_path_that_goes_wrong_as_it_is_played_again_is_no_episode(tiny, task, go_wrong):
    env = ExpansionEnv(tiny, tasks=(task,))
    go_wrong(no_memory)
    with pytest.raises(RuntimeError, match="went well did not when trained again: memory"):
        env.reset(options={"path": (WAIT,)}, seed=0)


def test_an_update_of_children_that_have_all_failed_alike_ends_the_run():
    def failed(fault):
        return replace(episode([0], [0.0]), infos=[{"fault": fault, "failed": fault is not None}])

    require_survivors([failed("memory"), failed("diverged")])
    require_survivors([failed("memory"), failed(None)])
    with pytest.raises(ChildFailed, match="each of the 2 children of an update ran out of memory"):
        require_survivors([failed("memory")] * 2)


def test_a_reward_that_is_no_number_is_refused_by_name(tiny, task, monkeypatch):
    env = ExpansionEnv(tiny, tasks=(task,))
    env.reset(seed=0)
    monkeypatch.setattr(ExpansionEnv, "_terms", lambda env: {"skill": nan})
    with pytest.raises(InvalidConfig, match=r"expected finite rewards, got nan of \{'skill': nan\}"):
        env.step(0)
