"""Growth that begins from a child grown before: on the same task, on new data, and on another task."""

import pytest
import torch
from support.grown import START, grown
from support.problems import FAMILIES, problem, problem_for

from mse_rl.config.training import OptimizerConfig
from mse_rl.errors import InvalidArchitecture, InvalidConfig
from mse_rl.growth.cache import PrefixCache
from mse_rl.networks import build_child
from mse_rl.spec import SearchSpace, starting_architecture
from mse_rl.transformations import Renumbering


def weights(child):
    return {name: tensor.clone() for name, tensor in child.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@torch.no_grad()
def outputs(child, task):
    return child.eval()(task.test.x)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_on_the_same_task_everything_is_kept_and_the_child_is_left_alone(grow, family, cached):
    donor, on = grown(family), problem_for(family)
    init, numbers = donor.child, weights(donor.child)
    cache = PrefixCache(1 << 24) if cached else None
    process = grow(on, family=family, init=init, cache=cache, flops_budget=10**7)
    state, receipt = process.state, process.state.receipt
    assert state.architecture == init.architecture
    assert state.validation == donor.state.validation
    assert process.first_flops == donor.state.flops == receipt.flops_before == receipt.flops_after
    assert (state.slice_index, state.training_flops, set(state.ages.values())) == (0, 0, {0})
    assert (receipt.transformation, receipt.target, receipt.output_change) == ("adopt", None, 0.0)
    assert receipt.made_new == ()
    assert {"head.linear", "stages.0.0.last", "links.0"} <= set(receipt.kept)
    assert not receipt.rolled_back
    assert torch.equal(outputs(process.child, on), outputs(init, on))
    process.advance("widen_inner_x2", START)
    assert process.state.receipt.kept == ()
    assert same(weights(init), numbers)
    assert not same(weights(process.child), numbers)


@pytest.mark.parametrize("family", FAMILIES)
def test_on_new_data_of_the_same_kind_everything_is_kept_too(grow, family):
    on = problem_for(family, seed=1)
    process = grow(on, family=family, init=grown(family).child)
    assert process.state.receipt.made_new == ()
    assert torch.equal(outputs(process.child, on), outputs(grown(family).child, on))


def test_a_new_child_has_no_receipt(grow):
    assert grow().state.receipt is None


OTHERS = {
    "cnn, classes": ("cnn", {"classes": 5}, {"head.linear"}),
    "cnn, size": ("cnn", {"shape": (1, 11, 9)}, set()),
    "cnn, channels": ("cnn", {"shape": (3, 8, 8)}, {"stem.reader"}),
    "mlp, features and classes": ("mlp", {"shape": (9,), "classes": 2}, {"stem", "head.linear"}),
    "rnn, length": ("rnn", {"shape": (9, 4)}, set()),
    "rnn, features": ("rnn", {"shape": (6, 5)}, {"stem"}),
    "transformer, length": ("transformer", {"shape": (11,)}, {"stem.positions"}),
    "transformer, vocabulary": ("transformer", {"vocabulary": 14}, {"stem.reader"}),
    "transformer, classes": ("transformer", {"classes": 4}, {"head.linear"}),
}


@pytest.mark.parametrize(("family", "other", "made_new"), OTHERS.values(), ids=OTHERS)
def test_on_another_task_what_fits_is_kept_and_the_rest_is_made_new_and_learns(grow, family, other, made_new):
    on, init = problem_for(family, **other), grown(family).child
    process = grow(on, family=family, init=init, slices=5, slice_steps=16, flops_budget=10**7)
    receipt, before, after = process.state.receipt, weights(init), weights(process.child)
    assert set(receipt.made_new) == made_new
    assert not made_new & set(receipt.kept)
    assert process.state.architecture.stages == init.architecture.stages
    for name in receipt.kept:
        module = process.child.get_submodule(name)
        for leaf, _ in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            assert torch.equal(before[f"{name}.{leaf}"], after[f"{name}.{leaf}"])
    assert len(receipt.kept) > len(made_new)
    skill, loss = process.state.validation.skill, process.advance("wait").training_loss
    process.advance("widen_inner_x2", START)
    while not process.finished:
        last = process.advance("wait")
    assert last.validation.skill > max(0.4, min(skill, 0.8))  # one that is nearly right may stay so
    assert last.training_loss < 0.9 * loss


@pytest.mark.parametrize("family", ["cnn", "transformer"])
def test_another_task_is_the_same_with_the_cache_and_with_the_seed(grow, family):
    on, init = problem_for(family, classes=4), grown(family).child
    cache = PrefixCache(1 << 26)
    states = []
    for seed, kept in ((0, None), (0, cache), (0, cache), (1, cache)):
        process = grow(on, family=family, init=init, cache=kept, seed=seed, flops_budget=10**7)
        states.append([process.state, process.advance("wait"), process.advance("widen_inner_x2", START)])
    assert states[0] == states[1] == states[2]
    assert states[0][0].validation != states[3][0].validation
    assert cache.hits == 3


def test_tokens_keep_their_meaning_under_other_ids(grow):
    on, init = problem("tokens", vocabulary=10), grown("transformer").child
    origins = (0, 1, 5, -1, 2, 3, 4, -1, 8, 7)
    process = grow(on, family="transformer", init=init, renumbering=Renumbering(origins))
    before, after = init.state_dict()["stem.reader.weight"], process.child.state_dict()["stem.reader.weight"]
    for now, then in enumerate(origins):
        assert then < 0 or torch.equal(after[:, now], before[:, then])
    assert not any(torch.equal(after[:, 3], column) for column in before.T)
    assert "stem.reader" in process.state.receipt.kept


def test_features_keep_their_meaning_in_another_order_so_that_nothing_is_lost(grow):
    trained_on, init = problem("vector"), grown("mlp").child
    order = (3, 5, 0, 1, 4, 2)
    process = grow(trained_on, family="mlp", init=init, renumbering=Renumbering(order))
    with torch.no_grad():
        moved = process.child.eval()(trained_on.test.x[:, list(order)])
    torch.testing.assert_close(moved, outputs(init, trained_on))


def test_a_cache_is_not_shared_by_children_to_start_from_or_meanings_of_inputs(grow):
    cache, on = PrefixCache(1 << 26), problem("vector")
    start = starting_architecture("mlp", on.inputs, SearchSpace())
    other = build_child(start, generator=torch.Generator().manual_seed(0))
    for settings in (
        {"init": grown("mlp").child},
        {"init": grown("mlp").child, "renumbering": Renumbering((1, 0, 2, 3, 4, 5))},
        {"init": other},
        {},
    ):
        grow(on, family="mlp", cache=cache, **settings)
    assert cache.hits == 0


def test_a_child_of_another_family_is_refused(grow):
    with pytest.raises(InvalidConfig, match="`family` mlp"):
        grow(init=grown("mlp").child, family="cnn")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_family_need_not_be_named_of_a_child_that_is_there(grow, family):
    assert grow(problem_for(family), init=grown(family).child).state.architecture.family == family


def test_a_child_that_cannot_read_the_task_is_refused_and_told_which_family_can(grow):
    with pytest.raises(InvalidArchitecture, match=r"`family` mlp$"):
        grow(problem("vector"), family="transformer", init=grown("transformer").child)


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        ("mlp", "image"),
        ("mlp", "sequence"),
        ("rnn", "image"),
        ("rnn", "tokens"),
        ("transformer", "sequence"),
    ],
)
def test_a_child_goes_on_to_inputs_of_another_kind_with_a_new_stem(grow, family, kind):
    process = grow(problem(kind), family=family, init=grown(family).child, slice_steps=20)
    assert any(name.startswith("stem") for name in process.state.receipt.made_new)
    assert "head.norm" in process.state.receipt.kept
    while not process.finished:
        process.advance("wait")
    assert process.state.validation.skill > 0.4


def test_the_optimizer_begins_anew(grow):
    process = grow(
        problem("vector"), family="mlp", init=grown("mlp").child, optimizer=OptimizerConfig("adamw")
    )
    assert not process.live._built()[1].state
