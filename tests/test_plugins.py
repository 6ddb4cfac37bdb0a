"""Import paths: what is one, what it leads to, and what is said where it leads nowhere."""

import sys
from collections import OrderedDict
from math import sqrt

import numpy as np
import pytest
from support.own import write_module

from mse_rl.data import SOURCES
from mse_rl.errors import InvalidConfig
from mse_rl.plugins import in_short, is_path, label, load_object, path_of, require_callable


def double(x):
    return 2 * x


class Thing:
    def __init__(self, size):
        self.size = size

    @staticmethod
    def part():
        return "part"


class Empty(Thing):
    def __init__(self, size=0):
        super().__init__(size)


@pytest.mark.parametrize("path", ["a:b", "my_package.rewards:thrifty", "a.b:C.d", "_a1:_b2", "größe:maß"])
def test_a_dotted_module_and_an_identifier_are_a_path(path):
    assert is_path(path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "mnas",
        "pace:0.5:0.4",
        "csv:data/a.csv",
        "a:b:c",
        "a:",
        ":b",
        "a b:c",
        "a:b\n",
        "1a:b",
        "a:1b",
        ".a:b",
    ],
)
def test_other_names_are_none(name):
    assert not is_path(name)


def test_a_module_in_the_current_directory_is_found_behind_all_others(monkeypatch, tmp_path):
    name = write_module(monkeypatch, tmp_path, "def thing(): return 7")
    (tmp_path / "colorsys.py").write_text("rgb_to_hsv = 'not the one of the standard library'")
    assert load_object(f"{name}:thing", "reward")() == 7
    assert not isinstance(load_object("colorsys:rgb_to_hsv", "reward"), str)
    load_object(f"{name}:thing", "reward")
    assert sys.path.count(str(tmp_path)) == 1


def test_what_is_inside_a_class_has_a_path_too():
    assert load_object(f"{__name__}:Thing.part", "reward")() == "part"


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        ("", "no_such_module:thing", "no_such_module cannot be imported .*ModuleNotFoundError.*: start in"),
        ("1 / 0", "{name}:thing", "cannot be imported .ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "{name}:thing", "cannot be imported .SystemExit: 3"),
        ("def (:", "{name}:thing", "cannot be imported .SyntaxError"),
        ("other = 1", "{name}:thing", r"expected thing in module .*\.py.*no 'thing': correct the name"),
        ("class A: pass", "{name}:A.b", "expected A.b in .*no 'b'"),
        ("", "thing", "expected a reward as my_package.module:thing, got 'thing'"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_in_one_line(monkeypatch, tmp_path, text, path, said):
    name = write_module(monkeypatch, tmp_path, text)
    with pytest.raises(InvalidConfig, match=said) as refused:
        load_object(path.format(name=name), "reward")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("thing", [double, Thing, Thing.part, sqrt, OrderedDict])
def test_a_path_leads_back_to_what_it_was_made_of(thing):
    assert load_object(path_of(thing, "reward"), "reward") is thing


def test_a_name_stays_what_it_is():
    assert [path_of(name, "task") for name in SOURCES] == list(SOURCES)


def nameless():
    def inner(x):
        return x

    return [lambda x: x, inner, Thing(1), 3, None]


@pytest.mark.parametrize("thing", nameless(), ids=repr)
def test_what_has_no_path_is_refused(thing):
    with pytest.raises(InvalidConfig, match=r"expected a cost that can be named, .*define it there with def"):
        path_of(thing, "cost")


def test_what_another_has_taken_the_name_of_is_refused(monkeypatch):
    before = double
    monkeypatch.setattr(sys.modules[__name__], "double", lambda x: 3 * x)
    with pytest.raises(InvalidConfig, match="can be named"):
        path_of(before, "cost")


@pytest.mark.parametrize(
    ("function", "arguments"), [(double, ("x",)), (Empty, ()), (Empty, ("size",)), (dict, ())]
)
def test_what_can_be_called_so_is_let_through(function, arguments):
    require_callable(function, arguments, "a:b", "reward")


@pytest.mark.parametrize(
    ("function", "arguments", "said"),
    [
        (
            double,
            (),
            r"expected reward a:b to be called as b\(\), got \(x\): give it these arguments",
        ),
        (double, ("worth", "config"), r"to be called as b\(worth, config\), got \(x\)"),
        (Thing, (), r"to be called as b\(\), got \(size\)"),
        (3, (), r"to be called as b\(\), got 3: name a function"),
    ],
)
def test_what_cannot_be_is_refused(function, arguments, said):
    with pytest.raises(InvalidConfig, match=said):
        require_callable(function, arguments, "a:b", "reward")


def test_a_message_stays_one_line_whatever_it_shows():
    assert in_short(np.zeros((30, 30))).startswith("array([[0., 0., ")
    assert "\n" not in in_short(np.zeros((30, 30)))
    assert len(in_short("a" * 1000)) == 80


def test_an_object_is_called_by_its_class():
    assert label(Thing(1)) == label(Thing) == f"{__name__}:Thing"
