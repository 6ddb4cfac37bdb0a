"""A growth that goes on from what was kept of it is the growth that never stopped, bit for bit."""

from dataclasses import replace
from functools import lru_cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.grown import grown
from support.problems import FAMILIES, FIRST_KINDS, problem_for
from support.schedules import even

from mse_rl.config.training import BudgetConfig, GrowthConfig, OptimizerConfig
from mse_rl.data import Augmentation
from mse_rl.errors import InvalidRun, InvalidTransformation
from mse_rl.files import FileKind
from mse_rl.growth.cache import CacheFolder, PrefixCache, PrefixKey, digest
from mse_rl.growth.process import GrowthProcess
from mse_rl.growth.state import CacheEntry
from mse_rl.networks import empty_child
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Link, Position
from mse_rl.tensors import read_tensors, write_packed
from mse_rl.training import restore

STEM, START = Position(0, ENTRY), Position(0, 0)
WAIT = ("wait", None)
BIG = 1 << 30
OPTIMIZERS = [OptimizerConfig(name) for name in ("sgd", "adamw", "muon")]


def path_of(family):
    """Return decisions that give a child new blocks, units and links; one of them may be taken back."""
    return (
        (f"deepen_{FIRST_KINDS[family]}", STEM),
        ("widen_inner_x1.5", START),
        ("link", Link(STEM, START)),
        ("narrow_inner_x0.5", START),
        WAIT,
        ("widen_stream_x2", STEM),
    )


def begin(family="cnn", *, on=None, flops_budget=10**6, **settings):
    """Begin a growth, small and fast."""
    usual = {"optimizer": OptimizerConfig(), "space": SearchSpace(start_width=4), "seed": 0}
    names = (*usual, "init", "cache", "path")
    given = usual | {name: settings.pop(name) for name in names if name in settings}
    schedule = even(settings.pop("slices", 6), settings.pop("slice_steps", 2))
    config = GrowthConfig(**{"family": family, "batch_size": 16} | schedule | settings)
    return GrowthProcess(
        on or problem_for(family), config, budget=BudgetConfig(flops_budget=flops_budget), **given
    )


def play(process, path):
    for decision in path:
        process.advance(*decision)
    return process


def numbers(process):
    """Return what is known of a child, and all numbers of it and its optimizer as bytes."""
    snapshot = process.live.capture()
    tensors = snapshot.to_tensors().items()
    return process.state, process.choices(), {name: tensor.numpy().tobytes() for name, tensor in tensors}


def layouts(snapshot, optimizer):
    """Return how the tensors of a restored child and its optimizer lie in memory."""
    child, optimizer = restore(snapshot, optimizer, "cpu")
    weights = {name: tensor.stride() for name, tensor in child.state_dict().items()}
    moments = {
        (name, key): tensor.stride()
        for name, parameter in child.named_parameters()
        for key, tensor in optimizer.state[parameter].items()
    }
    return weights, moments


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw", "muon"])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_another_process_wrote_is_read_bit_for_bit_and_trains_on_bit_for_bit(
    tmp_path, family, optimizer
):
    settings = {"family": family, "optimizer": optimizer}
    path, (here, there) = path_of(family), (CacheFolder(tmp_path, BIG, CacheEntry) for _ in range(2))
    plain = begin(**settings)
    for at in range(6):
        if at:
            plain.advance(*path[at - 1])
        writer = begin(**settings, path=path[:at], cache=PrefixCache(0, folder=here, shares_all=True))
        reader = begin(**settings, path=path[:at], cache=PrefixCache(0, folder=there))
        assert writer.live.trained_slices == (at > 0)  # all but the last from the folder
        assert reader.live.trained_slices == 0
        assert numbers(writer) == numbers(reader) == numbers(plain)
        assert layouts(reader.live.capture(), optimizer) == layouts(plain.live.capture(), optimizer)
    play(reader, path[5:])
    play(plain, path[5:])
    assert reader.live.trained_slices == 1
    assert numbers(reader) == numbers(plain)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=["sgd", "adamw", "muon"])
@pytest.mark.parametrize("family", FAMILIES)
def test_an_entry_is_what_it_was_after_it_was_written_and_read(family, optimizer, tmp_path):
    process = play(begin(family, optimizer=optimizer), path_of(family))
    entry = CacheEntry(process.state, process.live.capture())
    write_packed(tmp_path / "entry", *entry.to_parts())
    back = CacheEntry.from_parts(*read_tensors(tmp_path / "entry", FileKind("an entry", InvalidRun, 1 << 30)))
    assert back.state == entry.state
    assert back.snapshot.architecture == entry.snapshot.architecture
    assert back.snapshot.moments.keys() == entry.snapshot.moments.keys()
    before, after = entry.snapshot.to_tensors(), back.snapshot.to_tensors()
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name])
        assert after[name].untyped_storage().resizable()  # memory of its own: what is of a file is not
    assert layouts(back.snapshot, optimizer) == layouts(entry.snapshot, optimizer)


class Notebook:
    """Stands in for a cache: everything is kept, in order, and what is asked for is counted."""

    def __init__(self, entries=()):
        self.entries, self.shared = dict(entries), []

    def get(self, key):
        return self.entries.get(key)

    def put(self, key, entry):
        self.entries[key] = entry

    def share(self, key):
        self.shared.append(key)


def keys_of(path=(), **settings):
    """Return the keys of all points of a growth."""
    notebook = Notebook()
    play(begin(cache=notebook, **settings), path)
    return list(notebook.entries)


@lru_cache
def whole(family):
    """Return what is known at every point of a growth without a cache, and what a cache keeps of them."""
    process, notebook = begin(family), Notebook()
    points = [numbers(process), *(numbers(play(process, [step])) for step in path_of(family))]
    play(begin(family, cache=notebook), path_of(family))
    assert len(notebook.entries) == 7
    return points, notebook.entries


@given(st.sampled_from(FAMILIES), st.sets(st.integers(0, 5)), st.integers(0, 5))
def test_growth_that_begins_with_a_path_is_the_one_that_went_it(family, held, length):
    """Whether a cache holds all of the path, some of it or nothing."""
    points, entries = whole(family)
    keys, path = list(entries), path_of(family)
    notebook = Notebook({keys[point]: entries[keys[point]] for point in held})
    known = max((point for point in held if point <= length), default=0)
    process = begin(family, path=path[:length], cache=notebook)
    assert numbers(process) == points[length]
    assert process.live.trained_slices == length - known
    assert keys[length] in notebook.entries
    for at in range(length, 6):
        assert numbers(play(process, [path[at]])) == points[at + 1]
    assert {*keys[known:]} <= {*notebook.entries} <= {*keys}
    process.prefix.share(length)
    process.prefix.share(99)
    assert notebook.shared == [keys[length]]


def test_without_a_cache_growth_may_begin_with_a_path_too():
    assert numbers(begin(path=path_of("cnn")[:4])) == whole("cnn")[0][4]


@pytest.mark.parametrize("cached", [False, True])
def test_a_path_that_is_not_legal_is_refused(cached):
    cache = Notebook() if cached else None
    with pytest.raises(InvalidTransformation):
        begin(path=[("stop", None), ("deepen_conv", STEM)], cache=cache)
    with pytest.raises(InvalidTransformation):
        begin(slices=1, path=[WAIT, WAIT], cache=cache)


def changed_sample(split):
    x = split.x.clone()
    x.view(-1)[-1] += 1e-3
    return replace(split, x=x)


def changed_label(split):
    y = split.y.clone()
    y[-1] = (y[-1] + 1) % 3
    return replace(split, y=y)


def with_another(split, change):
    return {"on": replace(problem_for("cnn"), **{split: change(getattr(problem_for("cnn"), split))})}


DIFFERENT = {
    "a training sample": with_another("train", changed_sample),
    "a training label": with_another("train", changed_label),
    "a validation sample": with_another("validation", changed_sample),
    "a validation label": with_another("validation", changed_label),
    "augmentation": {"on": replace(problem_for("cnn"), augmentation=Augmentation(crop=1, flip=False))},
    "a class more": {"on": replace(problem_for("cnn"), classes=4)},
    "the seed": {"seed": 1},
    "the family": {"family": "mlp", "on": problem_for("cnn")},
    "the schedule": {"slices": 5},
    "a slice": {"slice_steps": 3},
    "the share of decisions": {"decision_share": 0.7},
    "training FLOPs": {"training_steps": None, "training_flops": 1e8},
    "a batch": {"batch_size": 8},
    "new units": {"new_units": "gradmax"},
    "the tolerance": {"skill_tolerance": 0.0},
    "the optimizer": {"optimizer": OptimizerConfig("adamw")},
    "the learning rate": {"optimizer": OptimizerConfig("sgd", learning_rate=0.05)},
    "its fall": {"optimizer": OptimizerConfig("sgd", learning_rate_hold=0.2)},
    "label smoothing": {"optimizer": OptimizerConfig("sgd", label_smoothing=0.2)},
    "weight decay": {"optimizer": OptimizerConfig("sgd", weight_decay=0.0)},
    "the first width": {"space": SearchSpace(start_width=6)},
    "the quantum": {"space": SearchSpace(quantum=4)},
    "a first child": {"init": grown("cnn").child},
}


@pytest.mark.parametrize("different", DIFFERENT.values(), ids=DIFFERENT)
def test_what_would_train_differently_shares_nothing(different):
    usual = {"optimizer": OptimizerConfig("sgd")}
    usual_keys, keys = (keys_of([WAIT], **usual | change) for change in ({}, different))
    assert len(usual_keys) == len(keys) == 2
    assert not {*usual_keys} & {*keys}


def test_first_children_share_nothing_if_one_weight_is_another():
    child = grown("cnn").child
    other = empty_child(child.architecture)
    weights = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    next(iter(weights.values())).view(-1)[0] += 1e-4
    other.load_state_dict(weights, assign=True)
    first, second, again = (keys_of(init=init) for init in (child, other, child))
    assert first == again
    assert first != second


def test_other_arithmetic_shares_nothing(monkeypatch):
    before = keys_of()
    assert keys_of() == before
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    other = keys_of()
    monkeypatch.setattr(torch, "__version__", "9.9")
    assert len({*before, *other, *keys_of()}) == 3


def test_the_order_of_decisions_is_part_of_the_key_even_if_the_architecture_is_not():
    first, second = ("deepen_conv", STEM), ("widen_stream_x2", Position(1, ENTRY))
    one, other = (keys_of(path) for path in ([first, second], [second, first]))
    assert one[0] == other[0]
    assert len({*one, *other}) == 5
    deeper = keys_of([("deepen_conv", STEM)]), keys_of([("deepen_conv", Position(1, ENTRY))])
    assert deeper[0][1] != deeper[1][1]


def test_budgets_and_the_test_split_only_bound_or_report_so_they_share():
    keys, task = keys_of([WAIT]), problem_for("cnn")
    assert keys_of([WAIT], flops_budget=10**9) == keys
    assert keys_of([WAIT], on=replace(task, test=changed_sample(task.test))) == keys
    process = grown("cnn")  # that has to shrink or not is another matter
    one, other = (keys_of(init=process.child, flops_budget=process.state.flops // n) for n in (1, 2))
    assert one != other


def test_a_path_is_leapt_over_to_the_furthest_point_that_is_kept():
    notebook = Notebook()
    walked = PrefixKey("origin", notebook)
    for decision in "abc":
        walked.extend(decision)
        if decision != "b":
            walked.remember(decision.upper())
    for path, point in (("ab", (1, "A")), ("abc", (3, "C")), ("abcd", (3, "C")), ("ba", (0, None))):
        assert PrefixKey("origin", notebook).advance_to_known(path) == point
    assert PrefixKey("elsewhere", notebook).advance_to_known("abc") == (0, None)
    leaping = PrefixKey("origin", notebook)
    leaping.advance_to_known("ab")
    leaping.extend("b")
    leaping.extend("c")
    assert leaping.lookup() == "C"  # it knows where it is
    leaping.share(1)
    assert notebook.shared == [next(iter(notebook.entries))]
    start = PrefixKey("start", notebook)
    start.remember("S")
    assert PrefixKey("start", notebook).advance_to_known("ab") == (0, "S")  # this point itself is kept
    nothing = PrefixKey("origin", None)
    assert nothing.advance_to_known("ab") == (0, None)
    assert (nothing.keeps, leaping.keeps) == (False, True)


def test_a_digest_is_fit_for_a_file_name():
    assert digest("a", ("b", START)).isalnum()
    assert digest("a", "b") != digest("ab")
    assert digest(1) != digest("1") != digest(1.0)
