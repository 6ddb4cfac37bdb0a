"""A shrinking transformation is undone where the skill falls by more than the tolerance."""

from dataclasses import replace
from math import nan

import pytest
import torch
from support.problems import FAMILIES, FIRST_KINDS, problem_for
from support.schedules import rates

from mse_rl.config.training import OptimizerConfig
from mse_rl.errors import InvalidTransformation
from mse_rl.growth.cache import PrefixCache
from mse_rl.spec.architecture import ENTRY, Link, Position
from mse_rl.training import LiveChild, evaluate

STEM, START, PAIR = Position(0, ENTRY), Position(0, 0), Link(Position(0, 0), Position(0, 1))
SHRINKING = {
    "narrow_inner_x0.5": START,
    "narrow_stream_x0.75": STEM,
    "narrow_child_x0.75": None,
    "remove_block": START,
    "unlink": PAIR,
}
WAIT = ("wait", None)


class Skill:
    """What validation tells: the truth, but for the skill, where one is set."""

    told = None

    def __init__(self):
        self._measure = LiveChild.validate

    def __call__(self, live):
        measured = self._measure(live)
        return measured if self.told is None else replace(measured, skill=self.told)


@pytest.fixture
def skill(monkeypatch):
    skill = Skill()
    monkeypatch.setattr(LiveChild, "validate", lambda live: skill(live))
    return skill


@pytest.fixture
def trained(grow):
    """Return a function that begins growth of a family and trains a child of two linked blocks or more."""

    def begin(family="cnn", **settings):
        process = grow(problem_for(family), family=family, **{"slices": 12, "slice_steps": 4} | settings)
        process.advance(f"deepen_{FIRST_KINDS[family]}", STEM)
        process.advance(f"deepen_{FIRST_KINDS[family]}", START)
        process.advance("link", PAIR)
        process.advance("widen_inner_x2", START)
        return process

    return begin


def numbers(process):
    """Return all that the child and its optimizer are, as named tensors."""
    snapshot = process.live.capture()
    moments = {f"{name} {key}": t for name, state in snapshot.moments.items() for key, t in state.items()}
    return snapshot.architecture, snapshot.weights | moments


def same(first, second):
    (before, tensors), (after, others) = first, second
    return (
        before == after
        and tensors.keys() == others.keys()
        and all(torch.equal(tensor, others[name]) for name, tensor in tensors.items())
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("name", SHRINKING)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_child_and_its_optimizer_are_what_they_were_and_only_time_has_passed(
    trained, skill, family, name, optimizer
):
    process = trained(family, optimizer=OptimizerConfig(optimizer))
    before, kept = process.state, numbers(process)
    skill.told = before.validation.skill - 0.06
    after = process.advance(name, SHRINKING[name])
    assert same(numbers(process), kept)
    assert sum(" " in tensor for tensor in kept[1]) >= len(list(process.child.parameters()))  # moments
    assert after.rolled_back
    assert after.receipt.rolled_back
    assert (after.receipt.transformation, after.receipt.target) == (name, SHRINKING[name])
    assert after.receipt.flops_after < after.receipt.flops_before == before.flops
    assert after.slice_index == before.slice_index + 1
    assert after.training_flops == before.training_flops + 3 * after.receipt.flops_after * 4 * 16
    assert after.ages == {position: age + 1 for position, age in before.ages.items()}
    assert after.previous == replace(before, previous=None)
    for field in ("architecture", "validation", "training_loss", "statistics", "stopped", "faults"):
        assert getattr(after, field) == getattr(before, field)


@pytest.mark.parametrize("family", FAMILIES)
def test_training_goes_on_with_the_next_steps_of_the_schedule(trained, skill, family):
    process, twin = trained(family), trained(family)
    skill.told = -1.0
    process.advance("narrow_inner_x0.5", START)
    skill.told = None
    process.advance(*WAIT)
    steps, config = range(20, 24), twin.live._optimizer_config
    width = twin.state.architecture.stages[0].width
    twin.live.train_(steps, rates(steps, 48, config, width))
    assert same(numbers(process), numbers(twin))


def test_what_was_taken_back_is_not_legal_before_something_else_was_done(trained, skill):
    process = trained()
    usual = set(process.choices())
    first, second = ("narrow_inner_x0.5", START), ("narrow_stream_x0.5", STEM)
    skill.told = -1.0
    process.advance(*first)
    assert set(process.choices()) == usual - {first}
    assert process.state.rejected == {first}
    with pytest.raises(InvalidTransformation, match="choices"):
        process.advance(*first)
    process.advance(*second)
    assert set(process.choices()) == usual - {first, second}
    skill.told = None
    process.advance(*WAIT)
    assert set(process.choices()) == usual
    assert not process.state.rolled_back
    assert not process.state.rejected


@pytest.mark.parametrize(
    "decision",
    [
        WAIT,
        ("stop", None),
        ("deepen_conv", STEM),
        ("widen_inner_x2", START),
        ("widen_stream_x2", STEM),
        ("widen_child_x1.25", None),
        ("grow_kernel", START),
        ("activation_tanh", START),
        ("link", Link(STEM, Position(0, 1))),
    ],
    ids=lambda decision: decision[0],
)
def test_what_preserves_the_function_stands_whatever_skill_does(trained, skill, decision):
    process = trained(skill_tolerance=0.0)
    before = numbers(process)
    skill.told = -1.0
    after = process.advance(*decision)
    assert not after.rolled_back
    assert after.validation.skill == -1.0
    assert not same(numbers(process), before)


@pytest.mark.parametrize(
    ("tolerance", "fallen", "taken_back"), [(0.25, 0.5, False), (0.25, 0.499, True), (0.0, 0.75, False)]
)
def test_a_fall_by_no_more_than_the_tolerance_is_borne(trained, skill, tolerance, fallen, taken_back):
    process = trained(skill_tolerance=tolerance)
    skill.told = 0.75
    process.advance(*WAIT)
    skill.told = fallen
    assert process.advance("narrow_inner_x0.5", START).rolled_back == taken_back
    assert process.state.validation.skill == (0.75 if taken_back else fallen)
    assert process.state.architecture.block(START).inner == (8 if taken_back else 4)


def test_a_child_that_gives_no_number_after_shrinking_is_what_it_was_before(trained, skill):
    process = trained(skill_tolerance=1.0)
    skill.told = nan
    assert process.advance("narrow_inner_x0.5", START).rolled_back
    assert not process.state.faults
    assert not process.finished


def test_a_trained_child_that_loses_half_its_stream_falls_and_is_restored(grow):
    process = grow(slices=50, slice_steps=2)
    for _ in range(40):
        before = process.advance("wait").validation
    after = process.advance("narrow_stream_x0.5", STEM)
    assert after.rolled_back
    assert after.receipt.output_change > 0.1
    assert evaluate(process.child, process.task.validation) == before == after.validation


@pytest.mark.parametrize("family", FAMILIES)
def test_with_the_cache_it_is_what_it_is_without(trained, skill, family):
    path = [
        (WAIT, None),
        (("narrow_stream_x0.75", STEM), -1.0),
        (("narrow_inner_x0.5", START), -1.0),
        (WAIT, None),
        (("narrow_inner_x0.5", START), None),
        (("unlink", PAIR), -1.0),
    ]

    def play(process):
        for decision, told in path:
            skill.told = told
            yield process.advance(*decision)
        skill.told = None

    settings = {"family": family, "skill_tolerance": 1.0}
    plain, cache = trained(**settings), PrefixCache(1 << 26)
    expected = list(play(plain))
    assert [state.rolled_back for state in expected] == [False, True, True, False, False, True]
    for hits in (0, 11):
        process = trained(**settings, cache=cache)
        assert list(play(process)) == expected
        assert cache.hits == hits
        assert same(numbers(process), numbers(plain))
    branch = trained(**settings, cache=cache)  # on from a state that was taken back
    branch.advance(*WAIT)
    skill.told = -1.0
    assert branch.advance("narrow_stream_x0.75", STEM).rolled_back
    skill.told = None
    branch.advance("widen_inner_x2", START)
    branch.advance(*WAIT)
    twin = trained(**settings)
    twin.advance(*WAIT)
    skill.told = -1.0
    twin.advance("narrow_stream_x0.75", STEM)
    skill.told = None
    twin.advance("widen_inner_x2", START)
    assert twin.advance(*WAIT) == branch.state
    assert same(numbers(twin), numbers(branch))
