"""How good a child is on a split."""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn import functional as F

from mse_rl.costs import activation_bytes
from mse_rl.costs.reward import skill
from mse_rl.data import Split
from mse_rl.networks import Child
from mse_rl.spec.architecture import Architecture


@dataclass(frozen=True)
class _Batches:
    """What an evaluation batch should be like on a kind of device.

    Args:
        most_bytes: of activations, as a training step would keep them: more leave a processor's caches.
        most_samples: more gain nothing.
    """

    most_bytes: int
    most_samples: int


_BATCHES = {"cpu": _Batches(1 << 25, 512), "cuda": _Batches(1 << 30, 4096)}
"""Measured on the CPU, by scripts/benchmarks/bench_evaluation.py."""
LEAST_SAMPLES = 32
"""Fewer in an evaluation batch are never faster."""


@dataclass(frozen=True)
class Evaluation:
    """Quality on one split.

    Args:
        loss: mean cross-entropy, in nats.
        accuracy: share of samples that are right.
        macro_f1: mean over the classes of the F1 score.
        skill: accuracy, rescaled: 0 at chance, 1 at perfect.
    """

    loss: float
    accuracy: float
    macro_f1: float
    skill: float

    @classmethod
    def of_nothing(cls, classes: int) -> "Evaluation":
        """Return the evaluation of a child that no longer gives finite numbers: a random guess."""
        return cls(loss=inf, accuracy=1 / classes, macro_f1=0.0, skill=0.0)


def evaluate(child: Child, split: Split) -> Evaluation:
    """Measure ``child`` on ``split``, in eval mode."""
    return evaluate_with_logits(child, split, samples=0)[0]


@torch.inference_mode()
def evaluate_with_logits(
    child: Child, split: Split, *, samples: int, batch_size: int | None = None
) -> tuple[Evaluation, Tensor]:
    """Measure ``child`` on ``split``, in eval mode, and keep its first answers.

    Args:
        child: to be measured.
        split: on which.
        samples: how many answers to keep; no more than there are in a batch.
        batch_size: samples in a batch; ``evaluation_batch_size`` if not given.

    Returns:
        The measurement, and the logits (samples, classes) of the first samples.
    """
    child.eval()
    kept = torch.empty(0)
    classes = child.architecture.classes
    confusion = torch.zeros(classes * classes, dtype=torch.int64, device=split.y.device)
    loss = torch.zeros((), dtype=torch.float64, device=split.y.device)
    batch_size = batch_size or evaluation_batch_size(child.architecture, split.device)
    for start in range(0, len(split), batch_size):
        rows = slice(start, start + batch_size)
        logits, y = child(split.inputs(rows)), split.y[rows]
        if start == 0:
            kept = logits[:samples].clone()
        loss += F.cross_entropy(logits, y, reduction="sum")
        confusion += torch.bincount(y * classes + logits.argmax(dim=1), minlength=classes * classes)
    accuracy, macro_f1 = _scores(confusion.reshape(classes, classes).cpu().double())
    return Evaluation(loss.item() / len(split), accuracy, macro_f1, skill(accuracy, classes)), kept


def evaluation_batch_size(architecture: Architecture, device: torch.device) -> int:
    """Return how many samples an evaluation batch should have."""
    batches = _BATCHES[device.type]
    return max(LEAST_SAMPLES, min(batches.most_samples, batches.most_bytes // activation_bytes(architecture)))


def _scores(confusion: Tensor) -> tuple[float, float]:
    """Return accuracy and macro-F1 of ``confusion`` (label, prediction)."""
    right = confusion.diagonal()
    f1 = 2 * right / (confusion.sum(0) + confusion.sum(1)).clamp(min=1)
    return (right.sum() / confusion.sum()).item(), f1.mean().item()
