"""A captured step does what the step does; the capture is stood in for, since graphs need a GPU."""

import pytest
import torch
from support.children import CHILDREN, labels, samples, trained

from mse_rl.config.training import OptimizerConfig
from mse_rl.training import capture, make_optimizer
from mse_rl.training.step import WARM_UPS, GraphedStep, Step


def warmed(run, capturable):
    """Run as often as a capture does, and return what repeats it."""
    for _ in range(WARM_UPS + 1):
        run()
    with capturable:
        return run


def numbers(child, optimizer):
    snapshot = capture(child, optimizer)
    moments = {f"{name} {key}": t for name, state in snapshot.moments.items() for key, t in state.items()}
    return snapshot.weights | moments


@pytest.mark.parametrize("name", ["sgd", "adamw", "muon"])
@pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
def test_warm_up_leaves_no_trace_and_replays_are_steps(architecture, name):
    found = []
    for graphed in (False, True):
        child = trained(architecture)[0].train()
        config = OptimizerConfig(name)
        optimizer = make_optimizer(child, config)
        step = Step(child, optimizer, config)
        step_ = GraphedStep(step, child, optimizer, capture=warmed) if graphed else step
        losses = [
            step_(samples(architecture, seed=seed), labels(architecture, seed=seed)).item()
            for seed in range(3)
        ]
        found.append((losses, numbers(child, optimizer)))
    (losses, plain), (other_losses, other) = found
    assert losses == other_losses
    assert plain.keys() == other.keys()
    assert all(torch.equal(plain[key], other[key]) for key in plain)
