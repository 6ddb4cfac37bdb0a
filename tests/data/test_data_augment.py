import pytest
import torch

from mse_rl.config.training import TaskConfig
from mse_rl.data import Augmentation, augment, load_task
from mse_rl.errors import InvalidTask


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int = 64) -> torch.Tensor:
    return torch.randn(n, 3, 10, 12, generator=seeded(9))


@pytest.mark.parametrize("augmentation", [Augmentation(2), Augmentation(0, True), Augmentation(2, True)])
def test_the_generator_alone_decides_and_the_input_stays(augmentation):
    x = batch()
    before = x.clone()
    first = augment(x, augmentation, generator=seeded(0))
    torch.manual_seed(5)
    assert torch.equal(first, augment(x, augmentation, generator=seeded(0)))
    assert not torch.equal(first, augment(x, augmentation, generator=seeded(1)))
    assert torch.equal(x, before)
    assert first.shape == x.shape
    assert first.dtype == x.dtype
    assert first.is_contiguous()


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    augment(batch(), Augmentation(2, True), generator=seeded(0))
    assert torch.equal(before, torch.get_rng_state())


def test_nothing_to_do_returns_the_batch_and_draws_nothing():
    x, generator = torch.randn(4, 7), seeded(0)
    before = generator.get_state()
    assert augment(x, Augmentation(), generator=generator) is x
    assert torch.equal(before, generator.get_state())


def test_a_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    x = batch(400)
    out = augment(x, Augmentation(flip=True), generator=seeded(0))
    same = (out == x).flatten(1).all(1)
    mirrored = (out == x.flip(-1)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


def test_a_crop_shifts_each_image_by_up_to_the_padding_and_fills_with_zero():
    padding, n = 2, 300
    y, x = torch.meshgrid(torch.arange(10), torch.arange(12), indexing="ij")
    image = (1 + 100 * y + x).float().expand(n, 1, 10, 12)
    out = augment(image, Augmentation(crop=padding), generator=seeded(0))
    padded = torch.nn.functional.pad(image[:1], (padding,) * 4)
    shifts = [(top, left) for top in range(5) for left in range(5)]
    windows = torch.cat([padded[:, :, top : top + 10, left : left + 12] for top, left in shifts])
    matches = (out[:, None] == windows[None]).flatten(2).all(2)  # (n, shifts)
    assert (matches.sum(1) == 1).all()
    assert matches.any(0).all()  # every shift occurs


def test_all_channels_of_an_image_move_together():
    x = batch()[:, :1].expand(-1, 3, -1, -1)
    out = augment(x, Augmentation(2, True), generator=seeded(0))
    assert torch.equal(out[:, 0], out[:, 2])


def test_vectors_cannot_be_augmented():
    with pytest.raises(InvalidTask, match=r"needs images .* got \(4, 7\)"):
        augment(torch.randn(4, 7), Augmentation(1), generator=seeded(0))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("auto", Augmentation()),
        ("crop", Augmentation(1)),
        ("flip", Augmentation(0, True)),
        ("crop-flip", Augmentation(1, True)),
    ],
)
def test_the_config_chooses_and_the_padding_follows_the_resolution(name, expected):
    assert load_task("digits", TaskConfig(augment=name)).augmentation == expected


def test_padding_is_a_sixteenth_of_the_resolution():
    assert load_task("digits", TaskConfig(augment="crop", resolution=32)).augmentation == Augmentation(2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_generator_on_the_cpu_serves_a_batch_on_the_gpu():
    x = batch()
    on_gpu = augment(x.cuda(), Augmentation(2, True), generator=seeded(0))
    assert on_gpu.is_cuda
    assert torch.equal(on_gpu.cpu(), augment(x, Augmentation(2, True), generator=seeded(0)))
