import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import architectures

from mse_rl.architecture import Position
from mse_rl.envs.actions import BLOCK_OPERATIONS, CHILD_OPERATIONS, ActionTable
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.transformations import TRANSFORMATIONS


@given(architectures(), st.integers(12, 20))
def test_encode_is_the_inverse_of_decode(architecture, rows):
    table = ActionTable(rows)
    meanings = [table.decode(action, architecture) for action in range(len(table))]
    known = {action: meaning for action, meaning in enumerate(meanings) if meaning is not None}
    assert len(known) == len(CHILD_OPERATIONS) + architecture.depth * len(BLOCK_OPERATIONS)
    assert len(set(known.values())) == len(known)
    for action, (name, target) in known.items():
        assert table.encode(name, target, architecture) == action


@given(architectures())
def test_every_target_of_every_transformation_has_an_action(architecture):
    table = ActionTable(12)
    for name, transformation in TRANSFORMATIONS.items():
        for target in transformation.targets(architecture):
            assert table.decode(table.encode(name, target, architecture), architecture) == (name, target)


def test_wait_is_action_0():
    assert CHILD_OPERATIONS[0] == "wait"


@pytest.mark.parametrize("wish", ["deepen", "widen_inner_x2", "widen_stream_x1.5", "stop"])
def test_the_mask_is_what_the_process_says(grow, wish):
    process, table = grow(slices=10, slice_steps=1, flops_budget=250_000), ActionTable(12)
    while not process.finished:
        mask = table.mask(process)
        assert mask.shape == (len(table),)
        assert mask.dtype == np.bool_
        assert mask[0]
        for action in range(len(table)):
            decision = table.decode(action, process.state.architecture)
            assert mask[action] == (decision is not None and process.legal(*decision))
        legal = [choice for choice in process.choices() if choice[0] == wish]
        process.advance(*(legal or [("wait", None)])[0])
    assert process.state.architecture.depth > 2 or wish != "deepen"


def test_the_documented_table_of_actions_is_so(tiny):
    text = " ".join(ExpansionEnv.__doc__.split())
    assert "| 0 | wait | | 1 | stop" in text
    told = re.search(r"On a block: (.*?)\.  *``action_masks", text + " ").group(1)
    names = []
    for operation, rest in re.findall(r"(deepen|widen_\w+)([^,]*)", told):
        names += [f"{operation}_x{factor}" for factor in re.findall(r"×([\d.]+)", rest)] or [operation]
    env = ExpansionEnv(tiny)
    env.reset(seed=0)
    table, architecture = env.actions, env.process.state.architecture
    assert names == list(BLOCK_OPERATIONS)
    for row, target in enumerate([Position(0, 0), Position(1, 0)]):
        decoded = [table.decode(2 + len(names) * row + k, architecture) for k in range(len(names))]
        assert decoded == [(name, target) for name in names]
