"""What a child says does not depend on how much padding stands behind a sequence or text."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.children import CHILDREN, born, labels, perturb_, samples, seeded, trained
from support.strategies import of_family
from torch import nn
from torch.nn import functional as F

from mse_rl.networks import empty_child
from mse_rl.networks.layers import BatchNorm2d, steps_there, without_gaps
from mse_rl.spec.architecture import PADDING, Architecture

READERS = ("cnn", "rnn", "transformer")
"""Families that read steps one by one."""
GAP = torch.nan


def with_steps(child, steps):
    """Return the same child for inputs of another length; it shares the weights."""
    architecture = child.architecture
    shape = (steps, *architecture.input_shape[1:])
    other = empty_child(replace(architecture, input_shape=shape))
    weights = child.state_dict()
    if "stem.positions.weight" in weights:
        weights["stem.positions.weight"] = weights["stem.positions.weight"][:, :steps]
    other.load_state_dict(weights, assign=True)
    return other.train(child.training)


def lengths_of(x):
    steps = steps_there(x)
    return [x.shape[1]] * len(x) if steps is None else steps.sum(1).tolist()


@st.composite
def readers_of_steps(draw):
    architecture = draw(of_family(draw(st.sampled_from(READERS)), most_stages=3, most_blocks=2))
    steps = draw(st.integers(1, 19))
    if len(architecture.input_shape) == 2:
        return replace(architecture, input_shape=(steps, architecture.input_shape[1]))
    return replace(architecture, input_shape=(steps,), vocabulary=architecture.vocabulary or 7)


@given(readers_of_steps())
def test_every_sample_is_told_as_if_it_stood_alone_without_padding(architecture):
    child, _ = born(architecture)
    perturb_(child, seed=4)
    child.eval()
    x = samples(architecture, n=7)
    told = child(x)
    for row, length in enumerate(lengths_of(x)):
        alone = with_steps(child, length)(x[row : row + 1, :length])
        torch.testing.assert_close(told[row], alone[0], rtol=1e-9, atol=1e-9)


@given(readers_of_steps(), st.integers(1, 9))
def test_more_padding_behind_a_batch_changes_nothing_in_eval_or_train_mode(architecture, more):
    steps = architecture.input_shape[0]
    child, _ = born(replace(architecture, input_shape=(steps + more, *architecture.input_shape[1:])))
    perturb_(child, seed=4)
    x = samples(architecture, n=7)
    for training in (False, True):
        short = with_steps(child.train(training), steps)
        told = short(x)
        fill = PADDING if architecture.vocabulary else GAP
        longer = F.pad(x, (*[0, 0] * (x.dim() - 2), 0, more), value=fill)
        torch.testing.assert_close(child(longer), told, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("family", [name for name in CHILDREN if name not in ("cnn", "mlp")])
def test_what_stands_in_padding_is_not_looked_at_nor_trained_on(family):
    """Also where another feature of the step is there: only a step of nothing but NaN is padding."""
    architecture = CHILDREN[family]
    child, _ = trained(architecture)
    x, y = samples(architecture), labels(architecture)
    F.cross_entropy(child.train()(x), y).backward()
    assert all(parameter.grad.isfinite().all() for parameter in child.parameters())
    statistics = [buffer for name, buffer in child.named_buffers() if "running" in name]
    assert all(buffer.isfinite().all() for buffer in statistics)


def test_a_fully_connected_child_reads_padding_as_the_mean():
    child, _ = trained(CHILDREN["mlp"])
    x = samples(CHILDREN["mlp"])
    assert x.isnan().any()
    assert torch.equal(child.eval()(x), child(without_gaps(x)))


def test_a_step_is_there_up_to_the_last_one_that_holds_something_and_the_first_always():
    ids = torch.tensor([[3, 2, 0, 0], [3, 0, 2, 0], [0, 0, 0, 0], [4, 4, 4, 4]])
    expected = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 1, 1]]).bool()
    assert torch.equal(steps_there(ids), expected)
    sequences = torch.where(ids == 0, GAP, 1.0).unsqueeze(2).repeat(1, 1, 2)
    assert torch.equal(steps_there(sequences), expected)
    sequences[0, 2, 1] = 5.0  # a step of which something is known
    assert steps_there(sequences)[0].tolist() == [True, True, True, False]


def test_on_the_cpu_nothing_is_masked_where_all_is_there():
    assert steps_there(torch.ones(3, 4, dtype=torch.int64)) is None
    assert steps_there(torch.zeros(3, 4, 2)) is None
    assert steps_there(torch.zeros(3, 4, 2, device="meta")).shape == (3, 4)


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_what_is_there_is_torchs_of_these_values_alone(training, steps):
    norm, plain = BatchNorm2d(5).double(), nn.BatchNorm1d(5, momentum=0.3).double()
    with torch.no_grad():
        for ours, theirs in zip(norm.parameters(), plain.parameters(), strict=True):
            ours.copy_(torch.rand(5, generator=seeded(2)))
            theirs.copy_(ours)
    x = torch.randn(8, 5, 1, steps, generator=seeded(), dtype=torch.float64)
    lengths = torch.arange(8).view(8, 1, 1, 1) % steps + 1
    for mask in (torch.arange(steps) < lengths, torch.ones(8, 1, 1, steps, dtype=torch.bool)):
        rows = mask.squeeze(1).squeeze(1)
        for _ in range(2):  # as torch's in the running statistics, too
            told = norm.train(training)(x, mask)
            expected = plain.train(training)(x.squeeze(2).transpose(1, 2)[rows])
        torch.testing.assert_close(told.squeeze(2).transpose(1, 2)[rows], expected)
        assert not told.squeeze(2).transpose(1, 2)[~rows].any()
        for ours, theirs in zip(norm.buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("family", ["cnn of sequences", "cnn of tokens", "rnn", "transformer"])
def test_a_sequence_of_nothing_but_padding_gives_finite_logits(family):
    child, _ = trained(CHILDREN[family])
    x = samples(child.architecture, n=4)
    x[:] = PADDING if child.architecture.vocabulary else GAP
    assert child.train()(x).isfinite().all()
    assert child.eval()(x).isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_convolutional_child_reads_series_shorter_than_its_kernels(steps):
    architecture = Architecture("cnn", (steps, 2), 3, CHILDREN["cnn"].stages)
    child, _ = trained(architecture)
    assert child.eval()(samples(architecture, n=4)).isfinite().all()
