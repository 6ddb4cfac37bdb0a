"""The policy network knows blocks by what they are, not by how many rows there are or where they stand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.agents.learned import FIRST_DECISION_LOGIT, BlockNetwork, first_logits
from mse_rl.envs.actions import ActionTable, Layout
from mse_rl.envs.observation import DECISIONS_LEFT, UNSEEN
from mse_rl.transformations import WAIT

ALL = ActionTable(1)
LAYOUT = Layout.of(ALL)
OWN, PER_ROW, PER_PAIR = len(ALL.child_operations), len(ALL.block_operations), len(ALL.pair_operations)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def network():
    """Return a network whose logits matter: at birth they are nearly equal."""
    network = BlockNetwork(LAYOUT).double()
    network.reset_parameters_(seeded(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64)
    return network


def observation(blocks, rows, seed, children=3):
    """Return globals and blocks of children that have ``blocks`` of ``rows`` rows."""
    globals_ = torch.randn(children, len(LAYOUT.globals), generator=seeded(seed), dtype=torch.float64)
    table = torch.zeros(children, rows, len(LAYOUT.blocks), dtype=torch.float64)
    table[:, :blocks] = torch.randn(
        children, blocks, len(LAYOUT.blocks), generator=seeded(seed + 1), dtype=torch.float64
    )
    table[:, :blocks, 0] = 1
    globals_[:, LAYOUT.globals.index(DECISIONS_LEFT)] = 0.5
    return globals_, table


def parts(logits, rows):
    """Return logits of the child (n, ·), of the rows (n, rows, ·), and of each pair of rows (n, ·)."""
    pairs = logits[:, OWN + rows * PER_ROW :].unflatten(1, (-1, PER_PAIR)) if rows > 1 else None
    return (
        logits[:, :OWN],
        logits[:, OWN : OWN + rows * PER_ROW].unflatten(1, (rows, PER_ROW)),
        {pair: pairs[:, number] for number, pair in enumerate(ActionTable(rows).pairs)},
    )


@given(blocks=st.integers(1, 6), seed=st.integers(0, 1000))
def test_rows_without_a_block_change_nothing(network, blocks, seed):
    short, long = (network(*observation(blocks, rows, seed)) for rows in (6, 12))
    assert long.shape == (3, len(ActionTable(12)))
    (child, rows, pairs), (same_child, more_rows, more_pairs) = parts(short, 6), parts(long, 12)
    torch.testing.assert_close(child, same_child)
    torch.testing.assert_close(rows[:, :blocks], more_rows[:, :blocks])
    for pair in [pair for pair in pairs if pair[1] < blocks]:
        torch.testing.assert_close(pairs[pair], more_pairs[pair])


def test_what_stands_in_a_row_without_a_block_changes_nothing(network):
    globals_, table = observation(4, 8, 0)
    filled = table.clone()
    filled[:, 4:, 1:] = torch.randn(filled[:, 4:, 1:].shape, generator=seeded(5), dtype=torch.float64)
    (child, rows, pairs), (same_child, same_rows, same_pairs) = (
        parts(network(globals_, blocks), 8) for blocks in (table, filled)
    )
    assert torch.equal(child, same_child)
    assert torch.equal(rows[:, :4], same_rows[:, :4])
    assert all(torch.equal(pairs[pair], same_pairs[pair]) for pair in pairs)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_table_of_one_row_has_no_pairs_and_one_of_two_rows_one(network, rows):
    assert network(*observation(1, rows, 0)).shape == (3, OWN + rows * PER_ROW + (rows - 1) * PER_PAIR)


@given(blocks=st.integers(2, 8), seed=st.integers(0, 1000))
def test_blocks_in_another_order_have_their_logits_in_that_order(network, blocks, seed):
    globals_, table = observation(blocks, 8, seed)
    order = torch.cat([torch.randperm(blocks, generator=seeded(seed)), torch.arange(blocks, 8)])
    child, rows, pairs = parts(network(globals_, table), 8)
    moved_child, moved_rows, moved_pairs = parts(network(globals_, table[:, order]), 8)
    torch.testing.assert_close(moved_child, child)
    torch.testing.assert_close(moved_rows, rows[:, order])
    for (first, second), logits in moved_pairs.items():
        origin = int(order[first]), int(order[second])
        if origin in pairs:  # not turned around
            torch.testing.assert_close(logits, pairs[origin])


def test_from_one_block_to_another_is_not_from_the_other_to_the_one(network):
    globals_, table = observation(2, 2, 0)
    here, there = (parts(network(globals_, blocks), 2)[2][0, 1] for blocks in (table, table.flip(1)))
    assert (here - there).abs().min() > 1e-3


@given(seed=st.integers(0, 1000))
def test_every_block_and_the_globals_are_seen_by_every_logit(network, seed):
    globals_, table = observation(4, 8, seed, children=1)
    globals_.requires_grad_()
    table.requires_grad_()
    logits = network(globals_, table)
    for index in (0, OWN, OWN + 3 * PER_ROW, OWN + 8 * PER_ROW):  # the last is of a pair
        by_globals, by_blocks = torch.autograd.grad(logits[0, index], (globals_, table), retain_graph=True)
        assert by_globals.abs().min() > 0
        assert (by_blocks[0, :4, 1:].abs().sum(1) > 0).all()
        assert not by_blocks[0, 4:, 1:].any()


def test_a_child_in_a_batch_is_what_it_is_alone(network):
    globals_, table = observation(5, 8, 3)
    logits = network(globals_, table)
    for index in range(3):
        alone = network(globals_[index : index + 1], table[index : index + 1])
        torch.testing.assert_close(alone[0], logits[index])


def test_standardised_features_have_unit_spread_but_for_what_is_constant_or_not_seen():
    network = BlockNetwork(LAYOUT)
    network.reset_parameters_(seeded(0))
    globals_ = torch.zeros(50, len(LAYOUT.globals))
    globals_[:, 0] = 0.3 + 0.01 * torch.randn(50, generator=seeded(1))
    globals_[:, 1] = 7.0
    globals_[10:, 2] = torch.linspace(0, 1, 40)
    globals_[:10, 2] = UNSEEN
    globals_[:, 3] = UNSEEN
    network.standardise_(globals_)
    seen = network.standardised(globals_)
    assert seen[:, 0].mean().abs() < 1e-3
    assert seen[:, 0].std() == pytest.approx(1, abs=0.05)
    assert (seen[:, 1] == 7).all()
    assert (seen[:10, 2] == UNSEEN).all()
    assert seen[10:, 2].std() == pytest.approx(1, abs=0.05)
    assert (seen[:, 3] == UNSEEN).all()
    assert seen.isfinite().all()


def test_a_new_policy_waits_or_is_near_uniform_and_follows_the_generator_alone():
    def born(seed):
        network = BlockNetwork(LAYOUT)
        network.reset_parameters_(seeded(seed))
        return network(*(tensor.float() for tensor in observation(6, 12, 0)))

    child, rows, pairs = parts(born(0), 12)
    known = [child, rows[:, :6].flatten(1), *(logits for (_, second), logits in pairs.items() if second < 6)]
    logits, first = torch.cat(known, dim=1), first_logits(LAYOUT)
    assert LAYOUT.child_operations[0] == WAIT.name
    assert first[0] == first.max()
    torch.testing.assert_close(logits[:, : len(first)], first.expand(3, -1), atol=0.1, rtol=0)
    probabilities = logits[:, len(first) :].softmax(1)
    uniform = 1 / probabilities.shape[1]
    assert (probabilities - uniform).abs().max() < 0.1 * uniform
    torch.rand(1)
    assert torch.equal(born(0), born(0))
    assert not torch.equal(born(0), born(1))


def test_only_waiting_is_less_likely_at_the_first_decision_of_a_new_policy():
    network = BlockNetwork(LAYOUT)
    network.reset_parameters_(seeded(0))
    globals_, table = (tensor.float() for tensor in observation(6, 12, 0))
    later = network(globals_, table)
    globals_[:, LAYOUT.globals.index(DECISIONS_LEFT)] = 1
    difference = network(globals_, table) - later
    torch.testing.assert_close(difference[:, 0], torch.full((3,), FIRST_DECISION_LOGIT), atol=0.1, rtol=0)
    assert difference[:, 1:].abs().max() < 0.1
