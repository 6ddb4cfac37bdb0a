import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss
from torch import nn
from torch.nn import functional as F

from mse_rl.data import Split
from mse_rl.networks import build_child
from mse_rl.spec.architecture import Architecture, Block, Stage
from mse_rl.training import Evaluation, evaluate
from mse_rl.training.evaluation import LEAST_SAMPLES, evaluate_with_logits, evaluation_batch_size


class Echo(nn.Module):
    """Stands in for a child: the inputs are the logits."""

    def __init__(self, classes):
        super().__init__()
        self.architecture = Architecture("mlp", (classes,), classes, (Stage(2, (Block("linear", 2),)),))

    def forward(self, x):
        return x


@given(
    classes=st.integers(2, 6),
    n=st.one_of(st.integers(1, 40), st.just(2500)),  # the last takes several batches
    seed=st.integers(0, 99),
    skew=st.floats(0, 3),
)
def test_a_measurement_is_what_scikit_learn_says(classes, n, seed, skew):
    rng = np.random.default_rng(seed)
    y = (classes * rng.random(n) ** (1 + skew)).astype(np.int64)  # some classes rare, or missing
    logits = rng.normal(size=(n, classes)).astype(np.float32) + 2 * np.eye(classes, dtype=np.float32)[y]
    found = evaluate(Echo(classes), Split(torch.from_numpy(logits), torch.from_numpy(y)))
    guess, labels = logits.argmax(1), np.arange(classes)
    accuracy = accuracy_score(y, guess)
    assert found.accuracy == pytest.approx(accuracy)
    assert found.macro_f1 == pytest.approx(
        f1_score(y, guess, labels=labels, average="macro", zero_division=0)
    )
    probabilities = F.softmax(torch.from_numpy(logits).double(), 1).numpy()
    assert found.loss == pytest.approx(log_loss(y, probabilities, labels=labels), rel=1e-5)
    assert found.skill == pytest.approx((classes * accuracy - 1) / (classes - 1))


def test_perfect_and_nothing():
    y = torch.arange(4)
    perfect = evaluate(Echo(4), Split(50 * F.one_hot(y).float(), y))
    assert (perfect.accuracy, perfect.macro_f1, perfect.skill) == (1, 1, 1)
    nothing = Evaluation.of_nothing(4)
    assert (nothing.accuracy, nothing.skill) == (0.25, 0)


def test_numbers_that_are_not_finite_are_measured_without_an_error():
    y = torch.arange(3)
    logits = torch.full((3, 3), torch.nan)
    assert not np.isfinite(evaluate(Echo(3), Split(logits, y)).loss)


def test_evaluation_is_in_eval_mode_and_leaves_the_child_alone():
    architecture = Architecture("cnn", (1, 8, 8), 3, (Stage(4, (Block("conv", 4, 3),)),))
    child = build_child(architecture, generator=torch.Generator().manual_seed(0)).train()
    x = torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
    y = torch.arange(20) % 3
    whole = evaluate(child, Split(x, y))
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())
    alone = np.mean([evaluate(child, Split(x[i : i + 1], y[i : i + 1])).loss for i in range(20)])
    assert whole.loss == pytest.approx(alone, rel=1e-5)  # no batch statistics


@pytest.mark.parametrize(("n", "samples"), [(40, 16), (600, 16), (9, 16), (40, 0)])
def test_the_first_answers_are_kept_without_their_gradients(n, samples):
    logits, y = torch.randn(n, 3, generator=torch.Generator().manual_seed(0)), torch.arange(n) % 3
    found, kept = evaluate_with_logits(Echo(3), Split(logits, y), samples=samples)
    assert found == evaluate(Echo(3), Split(logits, y))
    assert torch.equal(kept.reshape(-1, 3), logits[:samples])
    assert not kept.requires_grad


def test_batches_are_smaller_for_children_with_more_activations():
    cpu, sizes = torch.device("cpu"), []
    for width in (2, 8, 32, 128):
        architecture = Architecture("cnn", (1, 64, 64), 3, (Stage(width, (Block("conv", width, 3),)),))
        sizes.append(evaluation_batch_size(architecture, cpu))
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1] == LEAST_SAMPLES
    assert evaluation_batch_size(Echo(2).architecture, cpu) == 512
