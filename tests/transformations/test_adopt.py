"""A child that goes on elsewhere keeps what fits, and says what had to be made new."""

from dataclasses import replace

import pytest
import torch
from support.children import CHILDREN, born, perturb_, samples, seeded, trained

from mse_rl.costs import cost
from mse_rl.errors import InvalidArchitecture
from mse_rl.spec.architecture import Architecture, Block, Inputs, Stage
from mse_rl.transformations import Renumbering, adopt, adopted

FAMILIES = pytest.mark.parametrize("architecture", CHILDREN.values(), ids=CHILDREN)
IMAGES = Architecture(
    "transformer",
    (1, 8, 8),
    3,
    (Stage(4, (Block("attention", 4, activation="none", head_width=2),), 4),),
)


def inputs_of(architecture, **changes):
    now = replace(architecture, **changes)
    return Inputs(now.input_shape, now.vocabulary, now.classes)


def own(child):
    """Return the modules that have parameters or buffers of their own."""
    return {
        name
        for name, module in child.named_modules()
        if [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    }


def taken_over(architecture, origins=None, **changes):
    """Return (old child, new child, receipt) after other inputs or classes."""
    child, _ = trained(architecture)
    new, receipt = adopt(
        child, inputs_of(architecture, **changes), generator=seeded(3), renumbering=Renumbering(origins)
    )
    assert new.architecture == replace(architecture, **changes)
    assert set(receipt.kept) | set(receipt.made_new) == own(new)
    assert not set(receipt.kept) & set(receipt.made_new)
    before, after = child.state_dict(), new.state_dict()
    for name in receipt.kept:
        tensors = [key for key in after if key.rpartition(".")[0] == name]
        if origins is not None:  # columns of the weight that reads move
            tensors = [key for key in tensors if after[key].dim() < 2 or not key.startswith("stem.")]
        assert all(torch.equal(after[key], before[key]) for key in tensors)
    return child, new, receipt


@FAMILIES
def test_where_everything_fits_everything_is_kept_and_outputs_are_the_same_bit_for_bit(architecture):
    child, new, receipt = taken_over(architecture)
    assert (receipt.transformation, receipt.target, receipt.output_change) == ("adopt", None, 0.0)
    assert receipt.made_new == ()
    assert receipt.flops_before == receipt.flops_after == cost(architecture).flops
    x = samples(architecture, n=6)
    assert torch.equal(new.eval()(x), child.eval()(x))


@FAMILIES
def test_the_child_that_is_taken_over_is_left_alone(architecture):
    child, _ = trained(architecture)
    for training in (True, False):
        child.train(training)
        before = {name: tensor.clone() for name, tensor in child.state_dict().items()}
        new, _ = adopt(child, inputs_of(architecture, classes=5), generator=seeded(3))
        assert new.training is child.training is training
    assert not {p.data_ptr() for p in child.parameters()} & {p.data_ptr() for p in new.parameters()}
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.zero_()
    assert child.architecture == architecture
    assert all(torch.equal(tensor, before[name]) for name, tensor in child.state_dict().items())


@FAMILIES
def test_other_classes_make_the_classifier_new(architecture):
    _, new, receipt = taken_over(architecture, classes=5)
    assert receipt.made_new == ("head.linear",)
    assert receipt.output_change is None
    assert new(samples(architecture, n=4)).shape == (4, 5)
    again, _ = adopt(born(architecture)[0], inputs_of(architecture, classes=5), generator=seeded(3))
    assert torch.equal(again.head.linear.weight, new.head.linear.weight)  # by the generator alone


@pytest.mark.parametrize(
    ("family", "changes", "made_new"),
    [
        ("cnn", {"input_shape": (2, 12, 9)}, ()),
        ("cnn", {"input_shape": (3, 7, 6)}, ("stem.reader",)),
        ("cnn", {"input_shape": (3, 7, 6), "classes": 4}, ("stem.reader", "head.linear")),
        ("mlp", {"input_shape": (4, 3)}, ()),  # as many values, flattened
        ("mlp", {"input_shape": (13,)}, ("stem",)),
        ("rnn", {"input_shape": (9, 3)}, ()),  # longer sequences
        ("rnn", {"input_shape": (5, 4)}, ("stem",)),
        ("cnn of sequences", {"input_shape": (17, 2)}, ()),  # longer sequences
        ("cnn of sequences", {"input_shape": (9, 3)}, ("stem.reader",)),
        ("cnn of tokens", {"input_shape": (17,), "vocabulary": 12}, ("stem",)),
        ("transformer", {"vocabulary": 12}, ("stem.reader",)),
        ("transformer", {"input_shape": (8,)}, ("stem.positions",)),
        ("transformer", {"input_shape": (8,), "vocabulary": 12, "classes": 2}, None),
    ],
    ids=str,
)
def test_what_does_not_fit_other_inputs_is_made_new_and_the_rest_kept(family, changes, made_new):
    _, new, receipt = taken_over(CHILDREN[family], **changes)
    assert receipt.made_new == (
        made_new if made_new is not None else ("stem.reader", "stem.positions", "head.linear")
    )
    assert new.eval()(samples(new.architecture, n=4)).isfinite().all()


def test_a_child_without_blocks_is_taken_over_too():
    bare = Architecture("cnn", (1, 9, 9), 3, (Stage(4, stride=2), Stage(6)))
    _, new, receipt = taken_over(bare, input_shape=(1, 14, 11), classes=4)
    assert receipt.made_new == ("head.linear",)
    assert set(receipt.kept) == {"stem.reader", "stem.norm", "transitions.0.reader", "transitions.0.norm"}
    assert new.architecture.stages == bare.stages


@pytest.mark.parametrize(("family", "stride"), [("cnn", 3), ("transformer", 3), ("rnn", 1)])
def test_the_stride_of_the_stem_is_that_of_the_kind_of_input(family, stride):
    """A patch of 3 stays 3 for other images; for what is no image, and back, it is that of a new child."""
    image = {"cnn": CHILDREN["cnn"], "transformer": IMAGES, "rnn": replace(IMAGES, family="rnn")}[family]
    image = replace(image, links=(), stages=(Stage(4, stride=stride),))
    assert adopted(image, Inputs((1, 16, 16), 0, 3)).stages[0].stride == stride
    sequence = adopted(image, Inputs((9, 4), 0, 3))
    assert sequence.stages[0].stride == (2 if family == "cnn" else 1)
    side = adopted(sequence, Inputs((1, 16, 16), 0, 3)).stages[0].stride
    assert side == {"cnn": 2, "transformer": 4, "rnn": 1}[family]


def test_images_of_as_many_patches_keep_the_positions():
    _, _, receipt = taken_over(IMAGES, input_shape=(1, 7, 6))  # padded to 8x8
    assert receipt.made_new == ()
    _, _, receipt = taken_over(IMAGES, input_shape=(1, 12, 8))
    assert receipt.made_new == ("stem.positions",)
    _, _, receipt = taken_over(IMAGES, input_shape=(3, 8, 8))
    assert receipt.made_new == ("stem.reader",)


@pytest.mark.parametrize("family", ["cnn of tokens", "transformer"])
def test_words_keep_their_vectors_under_other_ids(family):
    architecture = CHILDREN[family]
    origins = (0, 1, 5, -1, 3, 8, -1, 2, 7, 4, 6)
    child, new, receipt = taken_over(architecture, origins=origins, vocabulary=11)
    assert receipt.made_new == ()
    assert receipt.output_change is None
    (before, *_), (after, *_) = child.stem.parameters(), new.stem.parameters()
    for now, origin in enumerate(origins):
        assert origin < 0 or torch.equal(after[:, now], before[:, origin])
    renamed = samples(architecture, n=6)
    back = {origin: now for now, origin in enumerate(origins)}
    x = renamed.clone().apply_(back.__getitem__)
    assert torch.equal(new.eval()(x), child.eval()(renamed))


def test_features_of_a_table_keep_their_columns():
    architecture = Architecture("mlp", (4,), 3, (Stage(4, (Block("linear", 4),)),))
    child, new, receipt = taken_over(architecture, origins=(3, 0, -1, 1, 2), input_shape=(5,))
    assert receipt.made_new == ()
    x = samples(architecture, n=6)
    reordered = torch.stack([x[:, 3], x[:, 0], torch.zeros(6, dtype=x.dtype), x[:, 1], x[:, 2]], dim=1)
    torch.testing.assert_close(new.eval()(reordered), child.eval()(x))
    assert torch.equal(new.stem.bias, child.stem.bias)


def test_an_activation_that_fades_goes_on_fading():
    architecture = CHILDREN["mlp"]
    position = next(position for position, _ in architecture)
    child, _ = born(architecture.with_block(position, activation="silu", fading="relu"))
    perturb_(child, seed=4)
    child.fade_(0.4)
    new, receipt = adopt(child, inputs_of(architecture), generator=seeded(3))
    x = samples(architecture, n=6)
    assert torch.equal(new.eval()(x), child.eval()(x))
    assert "stages.0.0.activation" in receipt.kept


@pytest.mark.parametrize(
    ("family", "inputs"),
    [
        ("cnn", Inputs((13,), 0, 3)),
        ("rnn", Inputs((13,), 0, 3)),
        ("transformer", Inputs((13,), 0, 3)),
    ],
    ids=str,
)
def test_what_the_family_cannot_read_is_refused_with_a_family_that_can(family, inputs):
    with pytest.raises(InvalidArchitecture, match="use `family`"):
        adopted(CHILDREN[family], inputs)
    with pytest.raises(InvalidArchitecture, match="use `family`"):
        adopt(born(CHILDREN[family])[0], inputs, generator=seeded())
