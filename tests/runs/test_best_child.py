"""Which child `apply` keeps."""

from types import SimpleNamespace

import pytest
import torch

from mse_rl.runs.best_child import BestChild
from mse_rl.training import Snapshot


class Process:
    """A growth process of which only architecture, accuracy on 100 samples and snapshot are there."""

    task = SimpleNamespace(validation=range(100))

    def __init__(self):
        self.live = SimpleNamespace(capture=self._capture, restore=self._restore)
        self.held = None
        self.become(0, "small", 0.1)

    def become(self, slice_index, architecture, accuracy, refit=False):
        self.state = SimpleNamespace(
            slice_index=slice_index,
            architecture=architecture,
            validation=SimpleNamespace(accuracy=accuracy),
            refit=refit,
        )
        self.held = slice_index

    def _capture(self):
        weights = {"slice": torch.tensor(self.state.slice_index)}
        return Snapshot(self.state.architecture, weights, moments={"slice": {"step": torch.tensor(3)}})

    def _restore(self, snapshot):
        assert not snapshot.moments  # they would take twice the memory of the weights
        self.held = snapshot.weights["slice"].item()


@pytest.mark.parametrize(
    ("slices", "kept"),
    [
        ([("small", 0.1), ("small", 0.5), ("small", 0.2)], 2),
        ([("small", 0.1), ("small", 0.25), ("small", 0.2)], 3),
        ([("small", 0.9), ("large", 0.6), ("large", 0.2)], 2),
        ([("small", 0.9), ("large", 0.2), ("small", 0.6)], 3),
        ([("small", 0.5), ("small", 0.5)], 2),
        ([("small", 0.0)], 0),
    ],
    ids=[
        "the best",
        "the last, where the difference is small",
        "of the last architecture",
        "since it last changed",
        "the later of equals",
        "the first",
    ],
)
def test_the_best_child_of_the_final_architecture_is_kept(slices, kept):
    process = Process()
    best = BestChild(process)
    for index, (architecture, accuracy) in enumerate(slices, start=1):
        process.become(index, architecture, accuracy)
        best.see()
    assert best.restore_().slice_index == kept
    assert process.held == kept


def test_a_child_that_was_trained_on_the_validation_samples_is_kept():
    process = Process()
    best = BestChild(process)
    for index, accuracy in enumerate((0.9, 0.2), start=1):
        process.become(index, "small", accuracy)
        best.see()
    process.become(3, "small", 0.2, refit=True)
    best.see()
    assert best.restore_().slice_index == process.held == 3
