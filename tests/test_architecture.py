import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import architectures

from mse_rl.errors import InvalidArchitecture
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage

SMALL = Architecture(
    "cnn",
    (1, 8, 8),
    10,
    (Stage(4, (Block("conv", 4, 3), Block("conv", 6, 5, fading="relu"))), Stage(8, (Block("conv", 8),), 2)),
    links=(Link(Position(0, 0), Position(0, 1)), Link(Position(0, 1), Position(1, 0))),
)


def changed(edit):
    """Return the JSON of SMALL after ``edit`` changed its data."""
    data = json.loads(SMALL.to_json())
    edit(data)
    return json.dumps(data)


def fields(data, path=()):
    """Yield the path of every field of nested JSON objects and lists."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from fields(value, (*path, key))


def at(data, path):
    for key in path:
        data = data[key]
    return data


PATHS = list(fields(json.loads(SMALL.to_json())))


@given(architectures())
def test_json_gives_back_what_it_was_given(architecture):
    again = Architecture.from_json(architecture.to_json())
    assert again == architecture
    assert hash(again) == hash(architecture)


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "3", '"cnn"', "{}", '{"format": 1}', "\x00"])
def test_what_is_no_architecture_is_refused(text):
    with pytest.raises(InvalidArchitecture):
        Architecture.from_json(text)


@pytest.mark.parametrize("path", [path for path in PATHS if isinstance(path[-1], str)], ids=str)
def test_a_missing_field_is_refused(path):
    text = changed(lambda data: at(data, path[:-1]).pop(path[-1]))
    with pytest.raises(InvalidArchitecture):
        Architecture.from_json(text)


@pytest.mark.parametrize("path", [path for path in PATHS if path != ("format",)], ids=str)
def test_a_field_of_the_wrong_type_is_refused(path):
    right = at(json.loads(SMALL.to_json()), path)
    accepted = []
    for wrong in (None, True, 1.5, "7", {}, []):
        if isinstance(right, str) and isinstance(wrong, str):
            continue  # text where text belongs
        if path[-1] == "fading" and wrong in (None, "7"):
            continue  # a name, or none
        if path == ("links",) and wrong == []:
            continue  # there may be none
        try:
            Architecture.from_json(
                changed(lambda data, wrong=wrong: at(data, path[:-1]).__setitem__(path[-1], wrong))
            )
            accepted.append(wrong)
        except InvalidArchitecture:
            pass
    assert accepted == []


@pytest.mark.parametrize("number", [2, 5, "4"])
def test_another_format_is_refused(number):
    with pytest.raises(InvalidArchitecture, match="format"):
        Architecture.from_json(changed(lambda data: data.update(format=number)))


@given(architectures())
def test_entries_had_one_activation_in_the_format_before(architecture):
    data = json.loads(architecture.to_json()) | {"format": 3}
    for stage in data["stages"]:
        del stage["activation"]
    again = Architecture.from_json(json.dumps(data))
    assert {stage.activation for stage in again.stages} == {"relu"}
    assert [stage.blocks for stage in again.stages] == [stage.blocks for stage in architecture.stages]


@pytest.mark.parametrize("part", [SMALL, SMALL.stages[0], SMALL.stages[0].blocks[0]])
def test_every_part_is_frozen(part):
    name = dataclasses.fields(part)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(part, name, getattr(part, name))


def test_equal_architectures_are_one_key():
    twin = dataclasses.replace(SMALL)
    assert {SMALL: 1}[twin] == 1
    assert SMALL.with_block(Position(0, 1), inner=7) not in {SMALL}


@pytest.mark.parametrize(
    "changes",
    [
        {"stages": ()},
        {"stages": (Stage(0),)},
        {"stages": (Stage(4, stride=0),)},
        {"stages": (Stage(4, (Block("conv", 0),)),)},
        {"stages": (Stage(4, (Block("conv", 4, 0),)),)},
        {"stages": (Stage(4, (Block("conv", 4, 4),)),)},
        {"input_shape": ()},
        {"input_shape": (1, 0, 8)},
        {"classes": 1},
        {"vocabulary": 5},  # an image has no tokens
        {"vocabulary": 1, "input_shape": (4,)},
        {"stages": (Stage(4, (Block("attention", 6, head_width=4),)),)},
        {"links": (Link(Position(0, 1), Position(0, 0)),)},
        {"links": (Link(Position(0, 0), Position(0, 0)),)},
        {"links": (Link(Position(0, 0), Position(2, 0)),)},
        {"links": (Link(Position(0, 0), Position(1, ENTRY)),)},
        {"links": (Link(Position(1, ENTRY), Position(0, 1)),)},
        {"links": (Link(Position(0, ENTRY - 1), Position(0, 1)),)},
        {"links": SMALL.links[::-1]},
        {"links": SMALL.links[:1] * 2},
    ],
    ids=str,
)
def test_a_size_that_no_child_can_have_is_refused(changes):
    with pytest.raises(InvalidArchitecture):
        dataclasses.replace(SMALL, **changes)


def test_blocks_come_from_input_to_output():
    assert [position for position, _ in SMALL] == [(0, 0), (0, 1), (1, 0)]
    assert [block.inner for _, block in SMALL] == [4, 6, 8]
    assert all(SMALL.block(position) is block for position, block in SMALL)
    assert SMALL.depth == 3
    assert SMALL.input_size == 64


def test_sites_are_entries_and_blocks_from_input_to_output():
    empty = dataclasses.replace(SMALL, stages=(*SMALL.stages, Stage(3)))
    assert empty.sites == [(0, ENTRY), (0, 0), (0, 1), (1, ENTRY), (1, 0), (2, ENTRY)]
    assert all(empty.has(site) for site in empty.sites)
    for nowhere in (Position(2, 0), Position(3, ENTRY), Position(-1, ENTRY), Position(0, ENTRY - 1)):
        assert not empty.has(nowhere)
    with pytest.raises(AssertionError):
        empty.block(Position(0, ENTRY))


def test_a_link_may_lead_from_an_entry():
    links = (Link(Position(0, ENTRY), Position(0, 0)), Link(Position(1, ENTRY), Position(1, 0)))
    linked = dataclasses.replace(SMALL, links=links)
    assert Architecture.from_json(linked.to_json()) == linked
    deeper = linked.inserting(Position(0, 0), Block("conv", 5))
    assert deeper.links == (Link(Position(0, ENTRY), Position(0, 1)), links[1])
    assert deeper.removing(Position(0, 1)).links == links[1:]


def test_without_blocks_there_is_no_depth_and_the_widest_is_a_stream():
    empty = Architecture("cnn", (1, 8, 8), 10, (Stage(4), Stage(9), Stage(2)))
    assert (empty.depth, empty.blocks, list(empty), empty.widest) == (0, [], [], 9)


def test_an_edit_changes_one_place_of_a_copy():
    before = SMALL.to_json()
    wider = SMALL.with_block(Position(0, 1), inner=9)
    assert [block.inner for _, block in wider] == [4, 9, 8]
    assert wider.stages[1] == SMALL.stages[1]
    assert SMALL.with_stage(1, width=5).stages == (SMALL.stages[0], Stage(5, SMALL.stages[1].blocks, 2))
    assert SMALL.to_json() == before


def test_links_follow_their_blocks_when_one_is_inserted():
    deeper = SMALL.inserting(Position(0, 1), Block("conv", 5))
    assert [block.inner for _, block in deeper] == [4, 5, 6, 8]
    assert SMALL.inserting(Position(1, 0), Block("conv", 5)).stages[1].stride == 2
    assert deeper.links == (
        Link(Position(0, 0), Position(0, 2)),
        Link(Position(0, 2), Position(1, 0)),
    )


def test_a_block_that_is_removed_takes_its_links_along():
    assert SMALL.removing(Position(0, 1)).links == ()
    without_first = SMALL.removing(Position(0, 0))
    assert without_first.links == (Link(Position(0, 0), Position(1, 0)),)
    assert [block.inner for _, block in without_first] == [6, 8]


@given(architectures(), st.data())
def test_what_was_inserted_can_be_removed(architecture, data):
    site = data.draw(st.sampled_from(architecture.sites))
    position = Position(site.stage, site.block + 1)
    block = Block("conv", 3, 3)
    assert architecture.inserting(position, block).block(position) == block
    assert architecture.inserting(position, block).removing(position) == architecture
