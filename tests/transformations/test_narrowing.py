"""Shrinking removes what matters least, and keeps its mean."""

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from support.children import CHILDREN, SPACE, born, choices, perturb_, samples, trained, transform, watched

from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage
from mse_rl.transformations import TRANSFORMATIONS, ChildStatistics, InputStatistics

FAMILIES = pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
STEM, FIRST = Position(0, ENTRY), Position(0, 0)
BLOCKS = {
    "conv": ("cnn", (2, 5, 4), 0, Block("conv", 8, 1, "gelu")),  # 3x3 would see the border
    "separable": ("cnn", (2, 5, 4), 0, Block("separable", 8, 3, "silu")),
    "linear": ("mlp", (6,), 0, Block("linear", 8, activation="tanh")),
    "gru": ("rnn", (5, 3), 0, Block("gru", 8, activation="none")),
    "lstm": ("rnn", (5, 3), 0, Block("lstm", 8, activation="none")),
    "attention": ("transformer", (5,), 7, Block("attention", 8, activation="none", head_width=2)),
}
CONSTANT = (1, 2, 5, 6)
"""Units that are made constant, and least important."""


def single(kind):
    family, shape, vocabulary, block = BLOCKS[kind]
    return Architecture(family, shape, 3, (Stage(6, (block, block)),), vocabulary=vocabulary)


@torch.no_grad()
def outputs(child):
    x = samples(child.architecture, n=9, seed=3)
    copy = deepcopy(child)
    return copy.eval()(x), copy.train()(x)


def distance(child, before):
    return max((new - old).abs().max().item() for new, old in zip(outputs(child), before, strict=True))


def with_importance(statistics, position, importance):
    """Return the statistics in which a block's units have another importance."""
    block = statistics.blocks[position]
    block = replace(block, units=replace(block.units, importance=tuple(importance)))
    return replace(statistics, blocks=statistics.blocks | {position: block})


@torch.no_grad()
def hold_constant_(block, kind, units):
    """Let units have the same value in every sample, at every position."""
    units, values = list(units), torch.linspace(-0.8, 0.9, len(units), dtype=torch.float64)
    if kind in ("conv", "separable"):
        block.norm2.weight[units] = 0.0
        block.norm2.bias[units] = values
    elif kind == "linear":
        block.first.weight[units] = 0.0
        block.first.bias[units] = values
    elif kind in ("gru", "lstm"):
        first = block.first
        gates = {"gru": (-60.0, -60.0, values), "lstm": (60.0, -60.0, values, 60.0)}[kind]
        first.weight_hh_l0[:, units] = 0.0  # the first step reads no units yet
        for gate, value in enumerate(gates):
            rows = [gate * 8 + unit for unit in units]
            first.weight_ih_l0[rows] = first.weight_hh_l0[rows] = 0.0
            first.bias_hh_l0[rows], first.bias_ih_l0[rows] = 0.0, value
    else:  # a head whose values are zero
        block.first.weight[[16 + unit for unit in units]] = 0.0


@pytest.mark.parametrize("kind", BLOCKS)
def test_units_that_were_constant_go_without_a_trace(kind):
    architecture = single(kind)
    child, optimizer = trained(architecture)
    units = (2, 3, 6, 7) if kind == "attention" else CONSTANT
    hold_constant_(child.block(FIRST), kind, units)
    statistics = with_importance(watched(child), FIRST, [float(unit not in units) for unit in range(8)])
    before = outputs(child)
    child, receipt = transform("narrow_inner_x0.5", FIRST, child, optimizer, statistics=statistics)
    assert child.architecture.block(FIRST).inner == 4
    assert distance(child, before) < 1e-10
    assert receipt.output_change < 1e-10


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_recurrent_biases_take_over_what_the_units_that_go_told_the_others(kind):
    child, optimizer = trained(single(kind))
    statistics = with_importance(watched(child), FIRST, [float(unit not in CONSTANT) for unit in range(8)])
    means = torch.tensor(statistics.blocks[FIRST].units.mean, dtype=torch.float64)[list(CONSTANT)]
    block = deepcopy(child.block(FIRST))
    child, _ = transform("narrow_inner_x0.5", FIRST, child, optimizer, statistics=statistics)
    now = child.block(FIRST)
    kept = [unit for unit in range(8) if unit not in CONSTANT]
    rows = [gate * 8 + unit for gate in range(len(block.first.bias_hh_l0) // 8) for unit in kept]
    folded = block.first.bias_hh_l0 + block.first.weight_hh_l0[:, list(CONSTANT)] @ means
    torch.testing.assert_close(now.first.bias_hh_l0, folded[rows])
    torch.testing.assert_close(now.last.bias, block.last.bias + block.last.weight[:, list(CONSTANT)] @ means)


@pytest.mark.parametrize("kind", BLOCKS)
def test_the_least_important_units_go_and_the_others_keep_weights_and_order(kind):
    child, optimizer = trained(single(kind))
    block = deepcopy(child.block(FIRST))
    importance = [5.0, 1.0, 4.0, 8.0, 2.0, 6.0, 3.0, 7.0]
    statistics = with_importance(watched(child), FIRST, importance)
    child, _ = transform("narrow_inner_x0.5", FIRST, child, optimizer, statistics=statistics)
    kept = [0, 3, 5, 7]
    if kind == "attention":  # heads of importance 6, 12, 8 and 10
        kept = [2, 3, 6, 7]
    now = child.block(FIRST)
    assert torch.equal(now.last.weight, block.last.weight[:, kept])
    weight, _ = block.intake
    gates = len(weight) // 8
    rows = [gate * 8 + unit for gate in range(gates) for unit in kept]
    assert torch.equal(now.intake[0], weight[rows])


def test_without_statistics_the_units_that_little_weight_reads_go():
    child, optimizer = trained(single("linear"))
    with torch.no_grad():
        child.block(FIRST).last.weight[:, [0, 7]] *= 1e-6
    before = outputs(child)
    last = child.block(FIRST).last.weight.detach().clone()
    child, _ = transform("narrow_inner_x0.75", FIRST, child, optimizer)
    assert torch.equal(child.block(FIRST).last.weight, last[:, 1:7])
    assert distance(child, before) < 1e-4


def test_without_statistics_the_heads_that_little_weight_reads_go_whole():
    child, optimizer = trained(single("attention"))
    with torch.no_grad():
        child.block(FIRST).last.weight[:, [1, 4, 5]] *= 1e-6  # a head and a half
    last, first = (getattr(child.block(FIRST), name).weight.detach().clone() for name in ("last", "first"))
    child, _ = transform("narrow_inner_x0.75", FIRST, child, optimizer)
    kept = [0, 1, 2, 3, 6, 7]
    assert torch.equal(child.block(FIRST).last.weight, last[:, kept])
    assert torch.equal(
        child.block(FIRST).first.weight, first[[8 * g + unit for g in range(3) for unit in kept]]
    )


@FAMILIES
def test_the_dimensions_that_matter_least_to_all_their_readers_go_and_the_others_keep_their_order(
    architecture,
):
    """Importance adds up over the blocks of the stage, what leaves it, and links."""
    child, optimizer = trained(architecture)
    statistics = watched(deepcopy(child))
    blocks = dict(statistics.blocks)
    for position, importance in ((FIRST, (0.0, 3.0, 0.0, 1.0)), (Position(0, 1), (1.0, 0.0, 0.0, 1.0))):
        stream = InputStatistics(importance, blocks[position].stream.mean)
        blocks[position] = replace(blocks[position], stream=stream)
    exits = statistics.exits | {0: InputStatistics((0.0, 0.0, 2.0, 0.0), statistics.exits[0].mean)}
    links = {link: InputStatistics((0.0, 0.0, 0.25, 0.0), (0.0,) * 4) for link in architecture.links}
    statistics = ChildStatistics(blocks, exits, links)  # 1, 3, 2.5 and 2 in all: two links read the stream
    narrowing = TRANSFORMATIONS["narrow_stream_x0.5"]
    assert narrowing.lost(child, STEM, SPACE, statistics) == pytest.approx(3.0)
    leaving, last = child.leaving(0).weight.clone(), child.block(FIRST).last.weight.clone()
    child, _ = transform("narrow_stream_x0.5", STEM, child, optimizer, statistics=statistics)
    assert torch.equal(child.leaving(0).weight, leaving[:, [1, 2]])
    assert torch.equal(child.block(FIRST).last.weight, last[[1, 2]])


@FAMILIES
def test_without_statistics_the_dimensions_that_little_weight_reads_go(architecture):
    child, optimizer = trained(architecture)
    with torch.no_grad():
        for weight in (
            *(reader for b in (0, 1) for reader in child.block(Position(0, b)).stream_readers),
            child.leaving(0).weight,
        ):
            weight[:, [0, 2]] *= 1e-3
    leaving = child.leaving(0).weight.clone()
    child, _ = transform("narrow_stream_x0.5", STEM, child, optimizer)
    assert torch.equal(child.leaving(0).weight, leaving[:, [1, 3]])


@FAMILIES
def test_units_just_added_go_first_and_give_back_the_same_child_bit_for_bit(architecture):
    for position, _ in architecture:
        child, optimizer = trained(architecture)
        weights = {name: tensor.clone() for name, tensor in child.state_dict().items()}
        child, _ = transform("widen_inner_x2", position, child, optimizer)
        copy = deepcopy(child)
        statistics = watched(copy)  # moves running statistics of its own
        child, receipt = transform("narrow_inner_x0.5", position, child, optimizer, statistics=statistics)
        assert receipt.output_change < 1e-12
        assert child.architecture == architecture
        assert all(torch.equal(tensor, weights[name]) for name, tensor in child.state_dict().items())


@FAMILIES
def test_dimensions_just_added_go_first_and_give_back_the_same_function(architecture):
    for stage in range(2):
        child, optimizer = trained(architecture)
        before, weights = outputs(child), {n: t.clone() for n, t in child.state_dict().items()}
        child, _ = transform("widen_stream_x2", Position(stage, ENTRY), child, optimizer)
        statistics = watched(deepcopy(child))
        target = Position(stage, ENTRY)
        child, receipt = transform("narrow_stream_x0.5", target, child, optimizer, statistics=statistics)
        assert child.architecture == architecture
        assert receipt.output_change < 1e-12
        assert distance(child, before) < 1e-12
        for name, tensor in child.state_dict().items():
            torch.testing.assert_close(tensor, weights[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("family", ["mlp", "rnn", "transformer"])
def test_stream_dimensions_that_were_zero_go_without_a_trace(family):
    """RMSNorms are rescaled to what is left."""
    child, optimizer = trained(CHILDREN[family])
    zero = [0, 2]
    with torch.no_grad():
        for name, parameter in child.named_parameters():
            if name.startswith(("stem.", "stages.0.")) and ("last." in name or name.startswith("stem.")):
                parameter[zero] = 0.0
        child.links[0].weight[zero] = 0.0
    before = outputs(child)
    child, _ = transform("narrow_stream_x0.5", STEM, child, optimizer, statistics=watched(child))
    assert distance(child, before) < 1e-12


TAKES_OVER = {
    "conv": lambda block, means: (-block.norm2.running_mean, block.first.weight.sum((2, 3)) @ means),
    "separable": lambda block, means: (
        -block.norm2.running_mean,
        block.depthwise.weight.sum((1, 2, 3)) * (block.first.weight.flatten(1) @ means),
    ),
    "linear": lambda block, means: (block.first.bias, block.first.weight @ means),
    "gru": lambda block, means: (block.first.bias_ih_l0, block.first.weight_ih_l0 @ means),
    "lstm": lambda block, means: (block.first.bias_ih_l0, block.first.weight_ih_l0 @ means),
}
"""By kind, what is added to a constant behind the first map, and what dimensions of these means told it.

In attention there is none.
"""


@FAMILIES
@pytest.mark.parametrize("stage", [0, 1])
def test_the_constants_of_what_reads_a_stream_take_over_the_means_of_what_goes(architecture, stage):
    child, optimizer = trained(architecture)
    statistics = watched(deepcopy(child))
    before = deepcopy(child)
    child, _ = transform(
        "narrow_stream_x0.5", Position(stage, ENTRY), child, optimizer, statistics=statistics
    )
    old, new = (each.block(Position(stage, 0)).last.weight.detach() for each in (before, child))
    gone = torch.tensor([not any(torch.equal(row, other) for other in new) for row in old])
    assert sum(gone) == len(old) - len(new) > 0
    for position, block in architecture:
        if position.stage == stage and block.kind in TAKES_OVER:
            means = torch.tensor(statistics.blocks[position].stream.mean, dtype=torch.float64) * gone
            constant, told = TAKES_OVER[block.kind](before.block(position), means)
            now, _ = TAKES_OVER[block.kind](child.block(position), means[~gone])
            torch.testing.assert_close(now, constant + told)
            assert told.any()
    leaving, now = before.exit(stage), child.exit(stage)
    means = torch.tensor(statistics.exits[stage].mean, dtype=torch.float64) * gone
    if architecture.family == "cnn" and stage == 0:
        told = leaving.reader.weight.sum((2, 3)) @ means
        torch.testing.assert_close(now.norm.running_mean, leaving.norm.running_mean - told)
    else:
        bias = before.leaving(stage).bias + before.leaving(stage).weight @ means
        torch.testing.assert_close(child.leaving(stage).bias, bias)


def test_a_stream_dimension_that_was_constant_is_folded_into_the_biases_of_its_readers():
    """Under BatchNorm: the norm of a constant is constant, and the next norm's running mean takes it."""
    architecture = Architecture("cnn", (2, 5, 4), 3, (Stage(4, (Block("conv", 4, 1), Block("conv", 6, 1))),))
    child, optimizer = trained(architecture)
    gone, constants = [1, 2], torch.tensor([0.7, 0.4], dtype=torch.float64)
    with torch.no_grad():
        for norm in (child.stem.norm, *(block.norm1 for _, block in child.blocks())):
            norm.weight[gone], norm.bias[gone] = 0.0, constants
        for _, block in child.blocks():
            block.last.weight[gone], block.last.bias[gone] = 0.0, constants
    statistics = watched(child)
    block = statistics.blocks[FIRST]
    unimportant = replace(block, stream=InputStatistics((1e9, 0.0, 0.0, 1e9), block.stream.mean))
    statistics = replace(statistics, blocks=statistics.blocks | {FIRST: unimportant})
    before = outputs(child)
    child, receipt = transform("narrow_stream_x0.5", STEM, child, optimizer, statistics=statistics)
    assert child.architecture.stages[0].width == 2
    assert distance(child, before) < 1e-10
    assert receipt.output_change < 1e-10


@FAMILIES
def test_removing_a_block_just_born_changes_nothing(architecture):
    for name, target in choices(architecture, [n for n in TRANSFORMATIONS if n.startswith("deepen")]):
        child, optimizer = trained(architecture)
        before = {n: t.clone() for n, t in child.state_dict().items()}
        child, _ = transform(name, target, child, optimizer)
        new = target._replace(block=target.block + 1)
        child, receipt = transform("remove_block", new, child, optimizer, statistics=watched(deepcopy(child)))
        assert receipt.output_change == 0
        assert child.architecture == architecture
        assert all(torch.equal(tensor, before[n]) for n, tensor in child.state_dict().items())


@FAMILIES
def test_what_a_block_adds_in_the_mean_stays_when_it_goes(architecture):
    child, optimizer = trained(replace(architecture, links=()))
    with torch.no_grad():
        child.block(Position(1, 1)).last.weight.zero_()
    before = outputs(child)
    statistics = watched(deepcopy(child))
    assert any(statistics.blocks[Position(1, 1)].update)
    child, _ = transform("remove_block", Position(1, 1), child, optimizer, statistics=statistics)
    assert distance(child, before) < 1e-10


@FAMILIES
def test_the_mean_of_what_a_block_added_goes_to_what_writes_ahead_of_it(architecture):
    """To the last map of the block before, or the stem; in a cnn, and of tokens, to the block behind."""
    behind = architecture.family == "cnn" or architecture.vocabulary > 0
    for gone, heir in (
        (Position(0, 0), "stages.0.0.last" if behind else "stem"),
        (Position(0, 1), "stages.0.0.last"),
        (Position(1, 0), "stages.1.0.last" if architecture.family == "cnn" else "transitions.0"),
        (Position(1, 1), "stages.1.0.last"),
    ):
        child, optimizer = trained(architecture)
        statistics = watched(deepcopy(child))
        update = torch.tensor(statistics.blocks[gone].update, dtype=torch.float64)
        of_the_next = heir.endswith("0.last") and gone.block == 0
        before = child.get_submodule(heir.replace("0.last", "1.last") if of_the_next else heir)
        bias = before.bias.detach().clone()
        child, _ = transform("remove_block", gone, child, optimizer, statistics=statistics)
        torch.testing.assert_close(child.get_submodule(heir).bias.detach(), bias + update, msg=heir)


@pytest.mark.parametrize("family", ["mlp", "rnn"])
def test_a_first_block_that_adds_a_constant_goes_without_a_trace(family):
    child, optimizer = trained(CHILDREN[family])
    with torch.no_grad():
        child.block(Position(0, 0)).last.weight.zero_()
        for link in child.links:  # they leave with the block
            link.weight.zero_()
    statistics = watched(deepcopy(child))
    _, receipt = transform("remove_block", Position(0, 0), child, optimizer, statistics=statistics)
    assert receipt.output_change < 1e-10


LONELY = {
    "cnn": Architecture("cnn", (2, 5, 4), 3, (Stage(4, (Block("conv", 4, 3),)),)),
    "mlp": Architecture("mlp", (5,), 3, (Stage(4, (Block("linear", 4),)),)),
    "rnn": replace(CHILDREN["rnn"], stages=(Stage(4, CHILDREN["rnn"].stages[0].blocks[:1]),), links=()),
    "rnn of tokens": Architecture(
        "rnn", (6,), 3, (Stage(4, CHILDREN["rnn"].stages[0].blocks[:1]), Stage(6)), vocabulary=9
    ),
    "transformer": Architecture(
        "transformer", (6, 2), 3, (Stage(4, CHILDREN["transformer"].stages[0].blocks[:1]), Stage(6))
    ),
}


@pytest.mark.parametrize("architecture", LONELY.values(), ids=LONELY)
def test_the_only_block_of_a_stage_goes_without_a_trace_if_it_adds_a_constant(architecture):
    """To what writes ahead of it, or to what reads the stream as it leaves."""
    child, optimizer = trained(architecture)
    with torch.no_grad():
        child.block(FIRST).last.weight.zero_()
    statistics = watched(deepcopy(child))
    assert any(statistics.blocks[FIRST].update)
    before = outputs(child)
    child, receipt = transform("remove_block", FIRST, child, optimizer, statistics=statistics)
    assert child.architecture.depth == 0
    assert receipt.output_change < 1e-10
    assert distance(child, before) < 1e-10


@pytest.mark.parametrize("family", ["rnn", "transformer"])
def test_where_only_a_norm_reads_what_a_block_added_nothing_takes_it_over(family):
    """Its mean behind the norm is not known; the stem of tokens has no bias."""
    stage = Stage(4, CHILDREN[family].stages[0].blocks[:1])
    child, optimizer = trained(Architecture(family, (6,), 3, (stage,), vocabulary=9))
    statistics = watched(deepcopy(child))
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    child, receipt = transform("remove_block", FIRST, child, optimizer, statistics=statistics)
    assert receipt.output_change > 1e-6
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())


def test_what_the_only_block_of_a_stage_added_goes_to_the_norm_of_the_next_entry():
    child, optimizer = trained(
        replace(CHILDREN["cnn"], stages=(Stage(4, (Block("conv", 4, 3),)), Stage(6, stride=2)), links=())
    )
    statistics = watched(deepcopy(child))
    update = torch.tensor(statistics.blocks[FIRST].update, dtype=torch.float64)
    before = deepcopy(child.transitions[0])
    child, _ = transform("remove_block", FIRST, child, optimizer, statistics=statistics)
    told = before.reader.weight.sum((2, 3)) @ update
    torch.testing.assert_close(child.transitions[0].norm.running_mean, before.norm.running_mean - told)
    assert told.any()


@FAMILIES
@pytest.mark.parametrize("name", ["narrow_child_x0.75", "narrow_child_x0.5"])
def test_a_narrower_child_is_what_narrowing_each_part_gives(architecture, name):
    child, optimizer = trained(architecture)
    statistics = watched(deepcopy(child))
    twin, twin_optimizer = trained(architecture)
    parts = [(name.replace("child", "inner"), position) for position, _ in architecture]
    parts += [(name.replace("child", "stream"), Position(stage, ENTRY)) for stage in (0, 1)]
    lost = sum(TRANSFORMATIONS[part].lost(twin, at, SPACE, statistics) for part, at in parts)
    assert TRANSFORMATIONS[name].lost(child, None, SPACE, statistics) == pytest.approx(lost)
    assert lost > 0
    child, receipt = transform(name, None, child, optimizer, statistics=statistics)
    for part, at in parts:
        twin, _ = transform(part, at, twin, twin_optimizer, statistics=statistics)
    assert child.architecture == twin.architecture
    assert receipt.output_change > 1e-6
    tensors, others = child.state_dict(), twin.state_dict()
    assert all(torch.equal(tensor, others[key]) for key, tensor in tensors.items())


@FAMILIES
def test_a_wider_child_is_what_widening_each_part_gives_but_for_what_is_drawn(architecture):
    child, optimizer = trained(architecture)
    before = outputs(child)
    child, receipt = transform("widen_child_x2", None, child, optimizer, new_units="gradmax")
    assert [block.inner for _, block in child.architecture] == [2 * block.inner for _, block in architecture]
    assert [stage.width for stage in child.architecture.stages] == [8, 12]
    assert distance(child, before) < 1e-10
    assert receipt.output_change < 1e-10


def test_a_block_that_is_removed_takes_its_links_along_and_the_others_move():
    stage = Stage(4, (Block("linear", 4),) * 4)
    links = (
        Link(Position(0, 0), Position(0, 1)),
        Link(Position(0, 0), Position(0, 3)),
        Link(Position(0, 1), Position(0, 2)),
        Link(Position(0, 2), Position(0, 3)),
    )
    child, optimizer = born(Architecture("mlp", (5,), 3, (stage,), links=links))
    perturb_(child, seed=4)
    kept = [child.links[1].weight.detach().clone(), child.links[3].weight.detach().clone()]
    child, _ = transform("remove_block", Position(0, 1), child, optimizer)
    assert child.architecture.links == (
        Link(Position(0, 0), Position(0, 2)),
        Link(Position(0, 1), Position(0, 2)),
    )
    assert all(torch.equal(link.weight, old) for link, old in zip(child.links, kept, strict=True))


@FAMILIES
def test_unlinking_what_was_just_linked_changes_nothing(architecture):
    for name, target in choices(architecture, ["link"]):
        child, optimizer = trained(architecture)
        before = {n: t.clone() for n, t in child.state_dict().items()}
        child, _ = transform(name, target, child, optimizer)
        assert TRANSFORMATIONS["unlink"].lost(child, target, SPACE, ChildStatistics()) == 0
        child, receipt = transform("unlink", target, child, optimizer)
        assert receipt.output_change == 0
        assert child.architecture == architecture
        assert all(torch.equal(tensor, before[n]) for n, tensor in child.state_dict().items())


@FAMILIES
def test_what_is_lost_is_the_importance_of_what_goes(architecture):
    child, _ = trained(architecture)
    statistics = watched(child)
    seen = statistics.blocks[FIRST]

    def lost(name, target=FIRST):
        return TRANSFORMATIONS[name].lost(child, target, SPACE, statistics)

    heads = torch.tensor(seen.units.importance).view(-1, architecture.block(FIRST).head_width).sum(1)
    assert lost("narrow_inner_x0.5") == pytest.approx(heads.sort().values[: len(heads) // 2].sum().item())
    assert lost("remove_block") == pytest.approx(seen.importance)
    exits = torch.tensor(statistics.exits[0].importance)
    stage = sum(torch.tensor(statistics.blocks[Position(0, b)].stream.importance) for b in (0, 1)) + exits
    stage += sum(torch.tensor(statistics.links[link].importance) for link in architecture.links)
    assert lost("narrow_stream_x0.5", STEM) == pytest.approx(stage.sort().values[:2].sum().item())
    link = architecture.links[0]
    assert lost("unlink", link) == pytest.approx(sum(statistics.links[link].importance))
    assert lost("widen_inner_x2") == lost("wait", None) == 0
