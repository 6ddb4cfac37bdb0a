import numpy as np
import pytest

from mse_rl.envs.actions import ActionTable, Layout, columns
from mse_rl.envs.observation import BLOCK_FEATURES, GLOBAL_FEATURES
from mse_rl.errors import InvalidConfig
from mse_rl.plain import from_plain, to_plain
from mse_rl.transformations import TRANSFORMATIONS

PARTS = {
    "globals": ("time",),
    "blocks": ("present", "age"),
    "child_operations": ("wait", "stop"),
    "block_operations": ("deepen",),
    "pair_operations": ("link",),
}


def test_the_layout_of_a_table_names_the_observations_features_and_all_operations():
    layout = Layout.of(ActionTable(3))
    assert (layout.globals, layout.blocks) == (GLOBAL_FEATURES, BLOCK_FEATURES)
    assert layout.operations == TRANSFORMATIONS.keys()
    assert from_plain(Layout, to_plain(layout)) == layout


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("globals", ()),
        ("globals", ("time", "time")),
        ("blocks", ("age", "present")),
        ("child_operations", ("stop", "wait")),
    ],
)
def test_a_layout_that_cannot_be_is_refused(part, names):
    with pytest.raises(ValueError, match=part):
        Layout(**PARTS | {part: names})


def test_columns_are_found_by_name_and_filled_where_there_are_none():
    values = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    found = columns(values, ("a", "b", "c"), ("c", "x", "a"), -np.inf)
    assert found.tolist() == [[3, -np.inf, 1], [6, -np.inf, 4]]
    assert found.dtype == np.float32
    assert columns(values[:0], ("a", "b", "c"), ("x", "a"), 0.0).shape == (0, 2)


def test_a_table_of_actions_takes_its_operations():
    table = ActionTable(2, ("wait", "remove_block", "deepen_linear", "link"))
    assert table.child_operations == ("wait",)
    assert table.block_operations == ("remove_block", "deepen_linear")
    assert len(table) == 1 + 2 * 2 + 1


def test_a_table_without_pairs_says_of_none_that_it_is_legal():
    table = ActionTable(2, ("wait", "deepen_linear"))
    masks = np.ones((3, len(table)), bool)
    assert {name: at.tolist() for name, at in table.legal_anywhere(masks).items()} == {
        "wait": [True] * 3,
        "deepen_linear": [True] * 3,
    }


def test_what_a_table_lacks_has_no_place_in_its_mask(grow):
    process = grow()
    table = ActionTable(18, ("wait", "deepen_conv"))
    legal = [choice for choice in process.choices() if choice[0] in table.operations]
    assert table.mask(process).sum() == len(legal) < len(process.choices())


@pytest.mark.parametrize("names", [(), ("stop", "wait"), ("wait", "link", "link"), ("wait", "lnk")])
def test_a_table_that_cannot_be_is_refused(names):
    with pytest.raises(InvalidConfig):
        ActionTable(2, names)
