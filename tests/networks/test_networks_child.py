from dataclasses import replace

import pytest
import torch
from hypothesis import given
from support.children import CHILDREN, born, perturb_, samples, seeded, trained
from support.strategies import architectures
from torch import nn

from mse_rl.errors import InvalidArchitecture
from mse_rl.networks import build_child, empty_child
from mse_rl.networks.layers import RMSNorm
from mse_rl.runs.grown import load_child, save_child
from mse_rl.spec.architecture import PADDING, Architecture, Block, Stage

EACH = pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
BARE = {
    f"{family} without blocks": replace(one, stages=(Stage(4, stride=2), Stage(6, stride=3)), links=())
    for family, one in CHILDREN.items()
}
WITH_AND_WITHOUT = CHILDREN | BARE
"""Children with blocks and without."""


@given(architectures())
def test_a_new_child_adds_nothing_in_its_blocks_and_gives_finite_logits(architecture):
    child = build_child(architecture, generator=seeded(), dtype=torch.float64).train()
    inputs = {}
    for position, block in child.blocks():
        block.register_forward_hook(lambda _, args, out, p=position: inputs.update({p: (args[0], out)}))
    logits = child(samples(architecture, 16))
    assert logits.shape == (16, architecture.classes)
    assert logits.isfinite().all()
    assert list(inputs) == [position for position, _ in architecture]
    assert all(torch.equal(before, after) for before, after in inputs.values())


@EACH
def test_the_generator_alone_decides_the_weights(architecture):
    def weights(seed):
        child = build_child(architecture, generator=seeded(seed))
        return torch.cat([parameter.detach().flatten() for parameter in child.parameters()])

    torch.rand(3)  # where no seed would put it
    before = torch.get_rng_state()
    first = weights(0)
    assert torch.equal(before, torch.get_rng_state())
    torch.rand(3)  # a global generator in another state
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


@EACH
def test_every_tensor_has_the_dtype_asked_for(architecture):
    child = build_child(architecture, generator=seeded(), dtype=torch.float64)
    assert {t.dtype for t in child.state_dict().values() if t.is_floating_point()} == {torch.float64}
    assert all(p.requires_grad and p.is_leaf for p in child.parameters())


@pytest.mark.parametrize("architecture", WITH_AND_WITHOUT.values(), ids=WITH_AND_WITHOUT)
def test_every_weight_is_reached_by_training(architecture):
    child, _ = born(architecture)
    perturb_(child, seed=2)  # a block's last map is zero at initialization, and hides the rest
    x, y = samples(architecture, 32), torch.arange(32) % architecture.classes
    nn.functional.cross_entropy(child.train()(x), y).backward()
    assert [name for name, p in child.named_parameters() if not p.grad.any()] == []


@pytest.mark.parametrize("architecture", WITH_AND_WITHOUT.values(), ids=WITH_AND_WITHOUT)
def test_a_child_on_disk_and_back_gives_the_same_outputs_bit_for_bit(architecture, tmp_path):
    child, _ = trained(architecture)
    save_child(tmp_path, child, {})
    again = load_child(tmp_path)
    assert again.architecture == architecture
    x = samples(architecture)
    with torch.no_grad():
        assert torch.equal(again(x), child.eval()(x))


@given(architectures())
def test_the_json_of_an_architecture_builds_the_same_module(architecture):
    child, again = empty_child(architecture), empty_child(Architecture.from_json(architecture.to_json()))
    assert repr(child) == repr(again)
    shapes, others = ({k: v.shape for k, v in c.state_dict().items()} for c in (child, again))
    assert shapes == others


@EACH
def test_parts_that_are_there_already_are_used_as_they_are(architecture):
    child, _ = trained(architecture)
    generator = seeded(3)
    parts = {"stem": child.stem, "stages.0.0": child.stages[0][0]}
    other = build_child(architecture, generator=generator, dtype=torch.float64, reuse=parts)
    assert other.stem is child.stem
    assert other.stages[0][0] is child.stages[0][0]
    assert other.head is not child.head


@pytest.mark.parametrize("family", ["cnn", "rnn", "transformer"])
def test_the_vector_of_padding_does_not_matter(family):
    architecture = Architecture(family, (6,), 3, CHILDREN[family].stages, vocabulary=9)
    child, _ = trained(architecture)
    short = torch.tensor([[3, 4, 5, PADDING, PADDING, PADDING]])
    with torch.no_grad():
        whole = child.eval()(short)
        (embedding,) = (p for name, p in child.stem.named_parameters() if p.shape[1] == 9)
        embedding[:, PADDING] += 1
        assert torch.equal(child(short), whole)


def test_rms_norm_is_what_torch_computes():
    norm = RMSNorm(6)
    norm.reset_parameters_(seeded())
    x = torch.randn(5, 6, generator=seeded(3))
    with torch.no_grad():
        norm.weight.copy_(torch.rand(6, generator=seeded(4)))
    torch.testing.assert_close(norm(x), nn.functional.rms_norm(x, (6,), norm.weight, eps=1e-5))


@pytest.mark.parametrize(
    "stranger",
    [
        Architecture("gnn", (5, 2), 3, CHILDREN["mlp"].stages),
        Architecture("mlp", (5, 2), 3, CHILDREN["cnn"].stages),
        Architecture("mlp", (5, 2), 3, (Stage(4, (Block("linear", 4, activation="gelu2"),)),)),
        Architecture("cnn", (5,), 3, CHILDREN["cnn"].stages),
    ],
    ids=["family", "kind", "activation", "input"],
)
def test_an_architecture_that_no_child_can_have_is_refused(stranger):
    """An architecture may come from a file, so all that it names must be checked somewhere."""
    with pytest.raises(InvalidArchitecture):
        build_child(stranger, generator=seeded())
