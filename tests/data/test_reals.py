from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.data.reals import Reals
from poise.errors import DataError, OptionError
from poise.size import Size

from .photos import fill

# n images, c channels, h height, w width


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("photos")
    options = PrepareOptions(size="16x24", holdout=0.2)
    return prepare(fill(folder / "photos", 37), folder / "photos.poise", options)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Above 256 pixels, where images are packed."""
    folder = tmp_path_factory.mktemp("large")
    options = PrepareOptions(size="288x320")
    return prepare(fill(folder / "photos", 9, 290, 330), folder / "photos.poise", options)


def everything(reals: Reals, n: int, batches: int) -> Tensor:
    return torch.cat([reals(n) for _ in range(batches)])


def test_a_real_image_is_its_pixels_over_127_5_less_1(photos: Prepared) -> None:
    reals = Reals(photos, seed=3)
    x = reals(8)
    images = photos.gather(reals.order(np.arange(8)))  # [n, h, w, c]
    expected = images.astype(np.float32) / np.float32(127.5) - np.float32(1)
    assert (x.numpy() == expected.transpose(0, 3, 1, 2)).all()
    assert x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_each_level_is_the_same_images_smaller(photos: Prepared) -> None:
    full, half = Reals(photos, seed=3)(8), Reals(photos, seed=3)(8, Size(8, 12))
    pooled = torch.nn.functional.avg_pool2d(full, 2)
    assert (pooled - half).abs().max() <= 0.5001 / 127.5


def test_a_level_that_there_is_not_is_named(photos: Prepared) -> None:
    with pytest.raises(DataError, match="no images of 32x48, but of 4x6, 8x12, 16x24"):
        Reals(photos, seed=0)(4, Size(32, 48))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**63), epoch=st.integers(0, 10**6))
def test_every_epoch_is_a_permutation(photos: Prepared, seed: int, epoch: int) -> None:
    reals = Reals(photos, seed=seed)
    n = len(reals)
    order = reals.order(np.arange(epoch * n, (epoch + 1) * n))
    assert sorted(order) == sorted(photos.training)


def test_epochs_and_seeds_have_orders_of_their_own(photos: Prepared) -> None:
    n = len(photos.training)
    orders = {
        tuple(Reals(photos, seed=seed).order(np.arange(epoch * n, (epoch + 1) * n)))
        for seed in range(20)
        for epoch in range(20)
    }
    assert len(orders) == 400


def test_the_order_is_even(photos: Prepared) -> None:
    """Each image comes first in about as many epochs: chi-squared within 5 deviations."""
    reals = Reals(photos, seed=1)
    n, epochs = len(reals), 3000
    first = reals.order(np.arange(epochs) * n)
    counts = np.unique(first, return_counts=True)[1]
    chi = ((counts - epochs / n) ** 2 / (epochs / n)).sum()
    assert abs(chi - (n - 1)) < 5 * np.sqrt(2 * (n - 1))


@pytest.mark.parametrize("mirror", [False, True])
def test_resumed_at_any_step_the_images_are_the_same(photos: Prepared, mirror: bool) -> None:
    whole = everything(Reals(photos, seed=5, mirror=mirror), 7, 100)
    for step in range(100):
        resumed = Reals(photos, seed=5, mirror=mirror, drawn=7 * step)
        assert torch.equal(resumed(7), whole[7 * step : 7 * step + 7]), step
        assert resumed.drawn == 7 * step + 7


def test_the_order_does_not_depend_on_the_size_of_batches(photos: Prepared) -> None:
    a, b = Reals(photos, seed=5, mirror=True), Reals(photos, seed=5, mirror=True)
    assert torch.equal(everything(a, 12, 7), everything(b, 84, 1))


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_ranks_together_draw_what_one_would(photos: Prepared, world: int) -> None:
    alone = Reals(photos, seed=5, mirror=True)
    ranks = [Reals(photos, seed=5, mirror=True, rank=r, world=world) for r in range(world)]
    for _ in range(20):
        assert torch.equal(alone(12), torch.cat([reals(12) for reals in ranks]))
        assert {reals.drawn for reals in ranks} == {alone.drawn}


@pytest.mark.parametrize(("n", "world"), [(7, 2), (0, 1), (-4, 2)])
def test_a_batch_that_ranks_cannot_share_is_refused(photos: Prepared, n: int, world: int) -> None:
    with pytest.raises(OptionError, match=f"a batch of {n} images cannot be shared by {world}"):
        Reals(photos, seed=0, world=world)(n)


def test_training_never_sees_what_is_held_out(photos: Prepared) -> None:
    training, held = Reals(photos, seed=0), Reals(photos, seed=0, held_out=True)
    assert (len(training), len(held)) == (30, 7)
    seen = set(training.order(np.arange(90))), set(held.order(np.arange(90)))
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(37))


def test_mirroring_flips_a_fair_half_by_position_alone(photos: Prepared) -> None:
    plain, flipped = Reals(photos, seed=2), Reals(photos, seed=2, mirror=True)
    x, y = plain(64), flipped(64)
    coins = flipped.mirrored(np.arange(64))
    assert 16 < coins.sum() < 48
    for k in range(64):
        assert torch.equal(y[k], x[k].flip(-1) if coins[k] else x[k])
    many = flipped.mirrored(np.arange(100_000))
    assert abs(many.mean() - 0.5) < 0.01
    repeats = (many[1:] == many[:-1]).mean()
    assert abs(repeats - 0.5) < 0.01


def test_mirroring_does_not_touch_the_prepared_set(photos: Prepared) -> None:
    everything(Reals(photos, seed=2, mirror=True), 16, 5)
    assert photos.check() == []


def test_packed_levels_give_the_same_images_ahead_or_not(large: Prepared) -> None:
    reals = Reals(large, seed=4, mirror=True)
    pixels = large.gather(large.training)
    numbers = {int(image): row for row, image in enumerate(large.training)}
    for step in range(6):
        n = (4, 4, 4, 2, 4, 4)[step]
        positions = np.arange(reals.drawn, reals.drawn + n)
        x = reals(n, Size(144, 160) if step == 2 else None)
        if step == 2:
            continue
        rows = [numbers[int(image)] for image in reals.order(positions)]
        expected = pixels[rows].astype(np.float32) / np.float32(127.5) - np.float32(1)
        coins = reals.mirrored(positions)
        expected[coins] = expected[coins][:, :, ::-1]
        assert (x.numpy() == expected.transpose(0, 3, 1, 2)).all(), step


def test_packed_levels_resume_and_share_as_raw_ones_do(large: Prepared) -> None:
    whole = everything(Reals(large, seed=5), 4, 6)
    for step in range(6):
        halves = [Reals(large, seed=5, drawn=4 * step, rank=r, world=2)(4) for r in (0, 1)]
        assert torch.equal(torch.cat(halves), whole[4 * step : 4 * step + 4])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_gets_the_same_bits(photos: Prepared) -> None:
    device = torch.device("cuda")
    here, there = (
        Reals(photos, seed=1, mirror=True),
        Reals(photos, seed=1, mirror=True, device=device),
    )
    for _ in range(5):
        assert torch.equal(here(12), there(12).cpu())
