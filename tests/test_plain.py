"""Data that goes through JSON comes back as what it was, and what is none of it is refused."""

import json
from dataclasses import dataclass, fields, is_dataclass, replace
from math import inf
from typing import Literal, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.grown import grown
from support.problems import FAMILIES, problem_for
from support.strategies import architectures

from mse_rl.config.training import OptimizerConfig
from mse_rl.errors import InvalidArchitecture
from mse_rl.growth.state import GrowthState
from mse_rl.plain import from_plain, to_plain
from mse_rl.spec.architecture import Architecture, Link, Position
from mse_rl.training import Evaluation
from mse_rl.transformations import WAIT, ChildStatistics, Decision


class Point(NamedTuple):
    x: int
    y: float


@dataclass(frozen=True)
class Inner:
    points: tuple[Point, ...] = ()
    mode: Literal["on", "off", 1] = "on"


@dataclass(frozen=True)
class Outer:
    name: str
    on: bool
    inner: Inner | None = None
    pair: tuple[int, str] = (0, "")
    table: dict[Point, tuple[float, ...]] | None = None
    targets: frozenset[tuple[str, Position | Link | None]] = frozenset()


def there_and_back(value):
    return from_plain(type(value), json.loads(json.dumps(to_plain(value))))


def types(value):
    """Return the type of a value and of all that it is made of, for 1 == 1.0 and a Position is a tuple."""
    if is_dataclass(value):
        return type(value), [types(getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, dict):
        return dict, [(types(key), types(entry)) for key, entry in value.items()]
    if isinstance(value, frozenset):
        return frozenset, sorted((types(entry) for entry in value), key=repr)
    return (type(value), [types(entry) for entry in value]) if isinstance(value, tuple) else type(value)


def check(value):
    back = there_and_back(value)
    assert back == value
    assert types(back) == types(value)


def growths(process):
    """Return a growth's states, from its last one back."""
    return [process.state, process.state.previous, replace(process.state, previous=None)]


@pytest.mark.parametrize("family", FAMILIES)
def test_states_of_real_growth_come_back(family):
    for state in growths(grown(family)):
        check(state)
    assert grown(family).state.architecture.links
    assert grown(family).state.statistics.links


@pytest.mark.parametrize("family", FAMILIES)
def test_states_before_and_after_what_was_taken_back_come_back(grow, family):
    process = grow(problem_for(family), family=family, slices=20, slice_steps=1, skill_tolerance=0.0)
    check(process.state)
    targets = set()
    while not process.finished:
        names = ("deepen", "link", "narrow", "remove", "unlink", "activation")
        choices = [choice for choice in process.choices() if choice[0].startswith(names)]
        state = process.advance(*choices[7 * process.state.slice_index % len(choices)])
        check(state)
        targets |= {type(target) for _, target in state.rejected} | {type(state.receipt.target)}
    assert {Position, Link} <= targets


def test_states_with_several_things_rejected_come_back():
    state = grown("cnn").state
    rejected = frozenset(
        {
            WAIT,
            Decision("remove_block", Position(0, 1)),
            Decision("unlink", Link(Position(0, 0), Position(0, 2))),
        }
    )
    check(replace(state, rejected=rejected))


def test_equal_sets_are_written_alike():
    one, other = frozenset([0, 8]), frozenset([8, 0])
    assert list(one) != list(other)  # as Python happens to keep them
    assert to_plain(one) == to_plain(other)


def test_a_child_that_diverged_comes_back(grow):
    process = grow(optimizer=OptimizerConfig("sgd", learning_rate=1e30))
    while not process.finished:
        state = process.advance("wait")
    assert state.validation.loss == inf
    without_nan = {"statistics": ChildStatistics(), "receipt": None, "previous": None}
    check(replace(state, training_loss=-inf, **without_nan))


@given(architectures())
def test_every_architecture_comes_back(architecture):
    check(architecture)


@given(
    st.builds(
        Outer,
        name=st.text(),
        on=st.booleans(),
        inner=st.none()
        | st.builds(
            Inner,
            points=st.lists(st.builds(Point, st.integers(), st.floats(allow_nan=False))).map(tuple),
            mode=st.sampled_from(["on", "off", 1]),
        ),
        pair=st.tuples(st.integers(), st.text()),
        table=st.none()
        | st.dictionaries(
            st.builds(Point, st.integers(), st.floats(allow_nan=False)),
            st.lists(st.floats(allow_nan=False)).map(tuple),
        ),
    )
)
def test_whatever_is_made_of_dataclasses_tuples_dicts_and_scalars_comes_back(value):
    check(value)


def test_whole_numbers_are_read_where_a_float_is_due():
    assert types(
        from_plain(Evaluation, dict.fromkeys(("loss", "accuracy", "macro_f1", "skill"), 1))
    ) == types(Evaluation(1.0, 1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("kind", "plain"),
    [
        (int, "1"),
        (int, 1.0),
        (int, True),
        (int, None),
        (bool, 1),
        (bool, "True"),
        (str, 1),
        (str, None),
        (float, "1"),
        (float, True),
        (float, None),
        (float, [1.0]),
        (Literal["on", "off"], "of"),
        (Literal["on", "off"], ["on"]),
        (tuple[int, ...], 1),
        (tuple[int, ...], "12"),
        (tuple[int, ...], {"0": 1}),
        (tuple[int, ...], [1, "2"]),
        (tuple[int, str], [1]),
        (tuple[int, str], [1, "2", 3]),
        (Point, [1]),
        (Point, [1, 2.0, 3]),
        (Point, {"x": 1, "y": 2.0}),
        (Position | Link, [0]),
        (Position | Link, [[0, 0], 1]),
        (Position | Link | None, "none"),
        (dict[int, int], {"1": 1}),
        (dict[int, int], [[1]]),
        (dict[int, int], [[1, 2, 3]]),
        (dict[int, int], [1, 2]),
        (frozenset[int], 1),
        (frozenset[int], ["1"]),
        (Inner, []),
        (Inner, {}),
        (Inner, {"points": []}),
        (Inner, {"points": [], "mode": "on", "more": 1}),
        (Inner, {"points": [[1]], "mode": "on"}),
        (Inner | None, {"points": [], "mode": "maybe"}),
    ],
)
def test_what_is_not_of_the_type_is_refused(kind, plain):
    with pytest.raises(ValueError, match=r"expected|zip|argument"):
        from_plain(kind, plain)


def places(plain):
    """Yield every place in nested lists and dicts as (container, key)."""
    for key in plain if isinstance(plain, dict) else range(len(plain)):
        yield plain, key
        if isinstance(plain[key], dict | list):
            yield from places(plain[key])


@pytest.mark.parametrize("junk", ["junk", None, -1.5, True, [], {}, [["junk"]]], ids=repr)
def test_a_state_with_junk_anywhere_is_refused_or_is_a_state_that_has_it(junk):
    """Where there may be junk of that kind, such as no entries, it is no junk."""
    plain = to_plain(replace(grown("cnn").state, previous=None))
    refused = 0
    for container, key in places(plain):
        kept, container[key] = container[key], junk
        try:
            assert to_plain(from_plain(GrowthState, plain)) == plain
        except (ValueError, InvalidArchitecture):
            refused += 1
        container[key] = kept
    assert refused > 30
    assert from_plain(GrowthState, plain).architecture == grown("cnn").state.architecture


def test_an_architecture_that_cannot_be_says_so():
    plain = to_plain(grown("cnn").state.architecture)
    with pytest.raises(InvalidArchitecture, match="classes"):
        from_plain(Architecture, plain | {"classes": 1})
