"""The policy network knows blocks by what they are, not by how many rows there are or where they stand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mse_rl.agents.network import BlockNetwork
from mse_rl.envs.actions import BLOCK_OPERATIONS, CHILD_OPERATIONS
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES

OWN, PER_ROW = len(CHILD_OPERATIONS), len(BLOCK_OPERATIONS)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def network():
    """Return a network whose logits matter: at birth they are nearly equal."""
    network = BlockNetwork().double()
    network.birth_(seeded(0))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=seeded(1), dtype=torch.float64)
    return network


def observation(blocks, rows, seed, children=3):
    """Return globals and blocks of children that have ``blocks`` of ``rows`` rows."""
    globals_ = torch.randn(children, len(GLOBAL_FEATURES), generator=seeded(seed), dtype=torch.float64)
    table = torch.zeros(children, rows, len(BLOCK_FEATURES), dtype=torch.float64)
    table[:, :blocks] = torch.randn(
        children, blocks, len(BLOCK_FEATURES), generator=seeded(seed + 1), dtype=torch.float64
    )
    table[:, :blocks, 0] = 1
    return globals_, table


@given(blocks=st.integers(1, 8), seed=st.integers(0, 1000))
def test_rows_without_a_block_change_nothing(network, blocks, seed):
    short = network(*observation(blocks, 8, seed))
    long = network(*observation(blocks, 64, seed))
    assert long.shape == (3, OWN + 64 * PER_ROW)
    known = OWN + blocks * PER_ROW
    torch.testing.assert_close(short[:, :known], long[:, :known])


@given(blocks=st.integers(2, 8), seed=st.integers(0, 1000))
def test_blocks_in_another_order_have_their_logits_in_that_order(network, blocks, seed):
    globals_, table = observation(blocks, 8, seed)
    order = torch.cat([torch.randperm(blocks, generator=seeded(seed)), torch.arange(blocks, 8)])
    logits = network(globals_, table)
    moved = network(globals_, table[:, order])
    torch.testing.assert_close(moved[:, :OWN], logits[:, :OWN])
    by_row = logits[:, OWN:].unflatten(1, (8, PER_ROW))
    torch.testing.assert_close(moved[:, OWN:].unflatten(1, (8, PER_ROW)), by_row[:, order])


@given(seed=st.integers(0, 1000))
def test_every_block_and_the_globals_are_seen_by_every_logit(network, seed):
    globals_, table = observation(4, 8, seed, children=1)
    globals_.requires_grad_()
    table.requires_grad_()
    logits = network(globals_, table)
    for index in (0, OWN, OWN + 3 * PER_ROW):
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


def test_a_new_policy_is_near_uniform_and_follows_the_generator_alone():
    def born(seed):
        network = BlockNetwork()
        network.birth_(seeded(seed))
        return network(*(tensor.float() for tensor in observation(6, 12, 0)))

    probabilities = born(0)[:, : OWN + 6 * PER_ROW].softmax(1)
    uniform = 1 / probabilities.shape[1]
    assert (probabilities - uniform).abs().max() < 0.1 * uniform
    torch.rand(1)
    assert torch.equal(born(0), born(0))
    assert not torch.equal(born(0), born(1))
