import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.grown import grown
from support.problems import FAMILIES, problem_for
from support.schedules import even
from support.strategies import architectures

from mse_rl.config.training import GrowthConfig, OptimizerConfig
from mse_rl.costs.measures import BudgetConfig
from mse_rl.envs.actions import ActionTable
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.growth.process import GrowthProcess
from mse_rl.spec import SearchSpace
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage
from mse_rl.transformations import TRANSFORMATIONS

ALL = ActionTable(1)
OWN, PER_BLOCK, PER_PAIR = len(ALL.child_operations), len(ALL.block_operations), len(ALL.pair_operations)
THREE = Architecture("mlp", (4,), 2, (Stage(2, (Block("linear", 2),) * 2), Stage(3, (Block("linear", 2),))))
A, B, C, D, E = (Position(s, b) for s, b in ((0, ENTRY), (0, 0), (0, 1), (1, ENTRY), (1, 0)))


@given(architectures(), st.integers(16, 18))
def test_encode_is_the_inverse_of_decode(architecture, rows):
    table, sites = ActionTable(rows), len(architecture.sites)
    meanings = [table.decode(action, architecture) for action in range(len(table))]
    known = {action: meaning for action, meaning in enumerate(meanings) if meaning is not None}
    assert len(known) == OWN + sites * PER_BLOCK + sites * (sites - 1) // 2 * PER_PAIR
    assert len(set(known.values())) == len(known)
    for action, (name, target) in known.items():
        assert table.encode(name, target, architecture) == action


@given(architectures())
def test_every_target_of_every_transformation_has_an_action(architecture):
    table = ActionTable(16)
    for name, transformation in TRANSFORMATIONS.items():
        for target in transformation.targets(architecture):
            assert table.decode(table.encode(name, target, architecture), architecture) == (name, target)


@pytest.mark.parametrize("rows", [1, 2, 3, 12])
def test_there_is_an_action_for_every_operation_on_the_child_each_row_and_each_pair_of_rows(rows):
    table = ActionTable(rows)
    assert len(table) == OWN + rows * PER_BLOCK + rows * (rows - 1) // 2 * PER_PAIR
    assert len(table.pairs) == len(set(table.pairs)) == rows * (rows - 1) // 2
    assert all(first < second for first, second in table.pairs)


def test_operations_are_the_registry_by_scope():
    assert ALL.child_operations[:2] == ("wait", "stop")
    assert all("_child_" in name for name in ALL.child_operations[2:])
    assert ALL.pair_operations == ("link", "unlink")
    assert {*ALL.child_operations, *ALL.block_operations, *ALL.pair_operations} == set(TRANSFORMATIONS)
    assert len(TRANSFORMATIONS) == OWN + PER_BLOCK + PER_PAIR


def test_sites_come_row_by_row_and_pairs_from_the_earlier_one_to_the_later_one():
    table = ActionTable(6)
    decoded = [table.decode(action, THREE) for action in range(len(table))]
    sites = [(name, position) for position in (A, B, C, D, E) for name in ALL.block_operations]
    pairs = [Link(A, B), Link(A, C), Link(A, D), Link(A, E), None]  # 0-1, 0-2, 0-3, 0-4, 0-5
    pairs += [Link(B, C), Link(B, D), Link(B, E), None, Link(C, D), Link(C, E), None, Link(D, E), None, None]
    assert decoded[:OWN] == [(name, None) for name in ALL.child_operations]
    assert decoded[OWN:][: len(sites)] == sites
    assert decoded[OWN + len(sites) :][:PER_BLOCK] == [None] * PER_BLOCK  # a row without a block
    assert decoded[OWN + len(sites) + PER_BLOCK :] == [
        pair and (name, pair) for pair in pairs for name in ALL.pair_operations
    ]


def test_wait_is_action_0():
    assert ALL.child_operations[0] == "wait"
    assert ActionTable(5).encode("wait", None, THREE) == 0


def check_mask(process, table):
    """Compare the mask with what the process says, action by action."""
    mask, architecture = table.mask(process), process.state.architecture
    assert mask.shape == (len(table),)
    assert mask.dtype == np.bool_
    assert mask.any()
    assert mask[0] == process.legal("wait", None)
    assert mask.sum() == len(process.choices())
    for action in range(len(table)):
        decision = table.decode(action, architecture)
        assert mask[action] == (decision is not None and process.legal(*decision))
    return mask


@pytest.mark.parametrize("wish", ["deepen_conv", "widen_child_x1.5", "widen_stream_x1.5", "link", "stop"])
def test_the_mask_is_what_the_process_says(grow, wish):
    process, table = grow(slices=10, slice_steps=1, flops_budget=250_000), ActionTable(18)
    process.advance("deepen_conv", A)
    while not process.finished:
        assert check_mask(process, table)[0]
        legal = [choice for choice in process.choices() if choice[0] == wish]
        process.advance(*(legal or [("wait", None)])[0])
    assert process.state.architecture.depth > 2 or wish != "deepen_conv"
    assert process.state.architecture.links or wish != "link"


@settings(max_examples=16)
@given(st.sampled_from(FAMILIES), st.booleans(), st.sampled_from([0.0, 0.05]), st.integers(0, 10**6))
def test_the_mask_is_what_the_process_says_in_random_play_and_never_empty(
    family, compresses, tolerance, seed
):
    init, table, rng = grown(family), ActionTable(6), np.random.default_rng(seed)
    process = GrowthProcess(
        problem_for(family),
        GrowthConfig(family=family, **even(8, 1), batch_size=8, skill_tolerance=tolerance),
        optimizer=OptimizerConfig(),
        space=SearchSpace(max_blocks=4, max_stages=2, max_links=2),
        seed=0,
        budget=BudgetConfig(flops_budget=int(init.state.flops * (rng.uniform(0.05, 1) if compresses else 3))),
        init=init.child,
    )
    while not process.finished:
        mask = check_mask(process, table)
        action = rng.choice(np.flatnonzero(mask))
        process.advance(*table.decode(action, process.state.architecture))


def test_legal_anywhere_says_where_a_transformation_was_legal_at_some_target(grow):
    space = SearchSpace(max_blocks=3, max_stages=2, start_width=4)
    process, table = grow(slices=8, slice_steps=1, flops_budget=120_000, space=space), ActionTable(5)
    masks, expected = [], []
    rng = np.random.default_rng(0)
    while not process.finished:
        masks.append(table.mask(process))
        expected.append(set(dict(process.choices())))
        process.advance(*process.choices()[rng.integers(2, len(process.choices()))])
    legal = table.legal_anywhere(np.array(masks))
    assert set(legal) == set(TRANSFORMATIONS)
    found = [{name for name, at in legal.items() if at[decision]} for decision in range(8)]
    assert found == expected
    assert ActionTable(1).legal_anywhere(np.ones((3, OWN + PER_BLOCK), bool))["link"].tolist() == [False] * 3


def test_the_documented_table_of_actions_is_so(tiny):
    text = " ".join(ExpansionEnv.__doc__.split())
    rows = re.search(r"\| action \| transformation \| \|---\|---\| (.*?\|) [A-Z]", text).group(1)
    documented = re.findall(r"\| (\S[^|]*?) \| ([^|]*?) \|", rows)
    assert [(n, what.partition(":")[0]) for n, what in documented[:2]] == [("0", "wait"), ("1", "stop")]
    (of_blocks,) = (number for number, what in documented if "block_operations" in what)
    assert int(re.match(r"\d+", of_blocks)[0]) == OWN
    assert "pair_operations" in documented[-1][1]
    env = ExpansionEnv(tiny)
    env.reset(seed=0)
    table, architecture = env.actions, env.process.state.architecture
    assert env.action_space.n == len(table) == OWN + 8 * PER_BLOCK + 28 * PER_PAIR
    for row, target in enumerate([A, D]):
        decoded = [table.decode(OWN + PER_BLOCK * row + k, architecture) for k in range(PER_BLOCK)]
        assert decoded == [(name, target) for name in ALL.block_operations]
