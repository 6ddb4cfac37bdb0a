import pytest
import torch
from hypothesis import given
from support.strategies import architectures
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mse_rl.costs import cost, link_cost, site_cost, training_bytes, training_flops
from mse_rl.networks import Child, build_child, empty_child
from mse_rl.spec import FAMILIES
from mse_rl.spec.architecture import ENTRY, Architecture, Block, Link, Position, Stage

CNN = Architecture(
    "cnn", (1, 9, 5), 3, (Stage(2, (Block("conv", 3, 5),)), Stage(4, (Block("conv", 2, 1),), 2))
)


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


def modules(architecture: Architecture) -> dict[Position, str]:
    """Return the name of what stands at every entry and block."""
    entries = {Position(s, ENTRY): f"transitions.{s - 1}" for s in range(1, len(architecture.stages))}
    blocks = {position: f"stages.{position.stage}.{position.block}" for position, _ in architecture}
    return {Position(0, ENTRY): "stem"} | entries | blocks


@given(architectures())
def test_the_cost_of_an_entry_a_block_or_a_link_is_its_own(architecture):
    child = born(architecture).eval()
    by_module = counted(architecture).get_flop_counts()
    assert set(modules(architecture)) == set(architecture.sites)
    for position, name in modules(architecture).items():
        found = site_cost(architecture, position)
        assert found.parameters == sum(p.numel() for p in child.get_submodule(name).parameters())
        assert found.flops == sum(by_module.get(f"Child.{name}", {}).values())
    for index, link in enumerate(architecture.links):
        assert link_cost(architecture, link).flops == sum(by_module[f"Child.links.{index}"].values())


@given(architectures())
def test_the_cost_of_a_child_is_that_of_its_parts(architecture):
    parts = [site_cost(architecture, position) for position in architecture.sites]
    parts += [link_cost(architecture, link) for link in architecture.links]
    assert cost(architecture) == sum(parts, FAMILIES[architecture.family].head(architecture))


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


@pytest.mark.parametrize(("strides", "grids"), [((1, 2), [(9, 5), (5, 3)]), ((3, 4), [(3, 2), (1, 1)])])
def test_every_entry_divides_the_resolution_by_its_stride_upwards(strides, grids):
    architecture = CNN.with_stage(0, stride=strides[0]).with_stage(1, stride=strides[1])
    assert [FAMILIES["cnn"].grid(architecture, stage) for stage in (0, 1)] == grids


def test_an_entry_convolves_before_it_pools():
    # 9x5 pixels, of which an even stride leaves half of it to pooling: 5x3 are convolved, 3x2 are left
    found = site_cost(CNN.with_stage(0, stride=4), Position(0, ENTRY))
    assert found.macs == 9 * 1 * 2 * 5 * 3
    assert found.parameters == 9 * 1 * 2 + 2 * 2
    assert found.activations == 9 * 5 + 2 * (5 * 3 + 2 * 3 * 2)


def test_attention_by_hand():
    # 3 positions, width 4, 2 heads of 2 units: four maps of 4x4, and twice 4 units for each pair of positions
    block = Block("attention", 4, activation="none", head_width=2)
    child = Architecture("transformer", (3,), 2, (Stage(4, (block,)),), vocabulary=5)
    assert site_cost(child, Position(0, 0)).macs == 3 * 4 * 4 * 4 + 2 * 4 * 3 * 3


def test_a_link_across_stages_costs_what_the_later_resolution_asks():
    linked = Architecture("cnn", (1, 9, 5), 3, CNN.stages, links=(Link(Position(0, 0), Position(1, 0)),))
    assert cost(linked).macs - cost(CNN).macs == 2 * 4 * 5 * 3


def test_a_block_by_hand():
    # 45 pixels; two kernels of 5x5 between 2 and 3 channels; norms of 2 and 3; a bias of 2
    found = site_cost(CNN, Position(0, 0))
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
