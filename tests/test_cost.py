import pytest
import torch
from hypothesis import given
from strategies import architectures
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mse_rl.architecture import Architecture, Block, Link, Position, Stage
from mse_rl.cost import block_cost, cost, link_cost, training_bytes, training_flops
from mse_rl.families import FAMILIES
from mse_rl.networks import Child, build_child, empty_child

CNN = Architecture("cnn", (1, 9, 5), 3, (Stage(2, (Block("conv", 3, 5),)), Stage(4, (Block("conv", 2, 1),))))


def born(architecture: Architecture) -> Child:
    return build_child(architecture, generator=torch.Generator().manual_seed(0))


def inputs(architecture: Architecture, samples: int, device: str = "cpu") -> torch.Tensor:
    dtype = torch.int64 if architecture.vocabulary else torch.float32
    return torch.zeros(samples, *architecture.input_shape, dtype=dtype, device=device)


def counted(architecture: Architecture) -> FlopCounterMode:
    """Let torch count a forward pass of one sample.

    It counts nothing for fused attention, nor for LSTM on CPU: hence plain attention, on the meta device.
    """
    child = empty_child(architecture).eval()
    with (
        FlopCounterMode(display=False, depth=10) as counter,
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
    ):
        child(inputs(architecture, 1, "meta"))
    return counter


@given(architectures())
def test_flops_are_what_torch_counts(architecture):
    assert cost(architecture).flops == counted(architecture).get_total_flops()


@given(architectures())
def test_parameters_are_what_the_child_has(architecture):
    assert cost(architecture).parameters == sum(p.numel() for p in born(architecture).parameters())


@given(architectures())
def test_the_cost_of_a_block_is_its_own(architecture):
    child = born(architecture).eval()
    for position, block in child.blocks():
        assert block_cost(architecture, position).parameters == sum(p.numel() for p in block.parameters())
    by_module = counted(architecture).get_flop_counts()
    for position, _ in architecture:
        name = f"Child.stages.{position.stage}.{position.block}"
        assert block_cost(architecture, position).flops == sum(by_module[name].values())
    for index, link in enumerate(architecture.links):
        assert link_cost(architecture, link).flops == sum(by_module[f"Child.links.{index}"].values())


@given(architectures())
def test_activations_are_about_what_autograd_keeps(architecture):
    """In float64, for which oneDNN has no LSTM: its workspace is several times the activations."""
    child = born(architecture).double().train()
    samples = 64  # so that what is kept once a batch, such as statistics, does not count
    weights = {p.data_ptr() for p in (*child.parameters(), *child.buffers())}
    kept = {}

    def pack(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr(), tensor.shape] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        x = inputs(architecture, samples)
        logits = child(x if architecture.vocabulary else x.double())
    measured = sum(tensor.numel() for tensor in kept.values()) / samples
    assert logits.requires_grad
    assert 0.4 < cost(architecture).activations / measured < 2.5


def test_the_resolution_is_halved_upwards_from_stage_to_stage():
    assert [FAMILIES["cnn"].grid(CNN, stage) for stage in (0, 1)] == [(9, 5), (5, 3)]


def test_attention_by_hand():
    # 3 positions, width 4, 2 heads of 2 units: four maps of 4x4, and twice 4 units for each pair of positions
    block = Block("attention", 4, activation="none", head_width=2)
    child = Architecture("transformer", (3,), 2, (Stage(4, (block,)),), vocabulary=5)
    assert block_cost(child, Position(0, 0)).macs == 3 * 4 * 4 * 4 + 2 * 4 * 3 * 3


def test_a_link_across_stages_costs_what_the_later_resolution_asks():
    linked = Architecture("cnn", (1, 9, 5), 3, CNN.stages, links=(Link(Position(0, 0), Position(1, 0)),))
    assert cost(linked).macs - cost(CNN).macs == 2 * 4 * 5 * 3


def test_a_block_by_hand():
    # 45 pixels; two kernels of 5x5 between 2 and 3 channels; norms of 2 and 3; a bias of 2
    found = block_cost(CNN, Position(0, 0))
    assert found.flops == 2 * 45 * 2 * (25 * 2 * 3)
    assert found.parameters == 2 * (25 * 2 * 3) + 2 * 2 + 2 * 3 + 2


def test_training_costs_three_forward_passes_a_sample():
    assert training_flops(CNN, 7) == 3 * 7 * cost(CNN).flops


def test_training_memory_is_activations_and_four_times_the_parameters():
    per_sample = training_bytes(CNN, 11) - training_bytes(CNN, 10)
    assert per_sample == 4 * cost(CNN).activations
    assert training_bytes(CNN, 10) - 10 * per_sample == 16 * cost(CNN).parameters


@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_wider_child_takes_more_memory(batch_size):
    wider = CNN.with_block(Position(0, 0), inner=4)
    assert training_bytes(wider, batch_size) > training_bytes(CNN, batch_size)
