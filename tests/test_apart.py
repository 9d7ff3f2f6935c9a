"""How far a step's images and fakes are apart in what their level adds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from poise.apart import PATCHES, SIDE, apart


def images(n: int, side: int, seed: int) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def enlarged(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0)


@pytest.mark.parametrize("side", [4, 8, 16, 64])
def test_equal_images_are_not_apart_in_whatever_order(side: int) -> None:
    x = images(6, side, 0)
    assert apart(x, x).item() == 0
    assert apart(x, x.flip(0)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [(7, 7), (9, 9), (8, 9), (15, 20)])
def test_of_a_base_that_nothing_was_doubled_to_everything_counts(size: tuple[int, int]) -> None:
    x = torch.randn(6, 3, *size, generator=torch.Generator().manual_seed(0))
    assert apart(x, x).item() == 0
    lighter = x + 1  # which a level below would show, too
    patches = torch.randn(PATCHES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    unit = patches / patches.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    assert apart(x, lighter).item() == pytest.approx(
        unit.flatten(1).sum(1).abs().mean().item(), rel=1e-4
    )


@pytest.mark.parametrize("side", [8, 16, 64])
def test_what_the_level_below_shows_as_well_does_not_count(side: int) -> None:
    coarse, other = (enlarged(images(6, side // 2, seed)) for seed in (0, 1))
    detail = images(6, side, 2) - enlarged(avg_pool2d(images(6, side, 2), 2))
    assert apart(coarse + detail, other + detail).item() == pytest.approx(0, abs=1e-5)
    assert apart(coarse + detail, coarse).item() > 0.1


@pytest.mark.parametrize("side", [4, 8, 32])
def test_fakes_that_are_further_off_are_further_apart(side: int) -> None:
    x = images(64, side, 0)
    far = [apart(x, x * (1 - share)).item() for share in (0.1, 0.4, 0.9)]
    assert far == sorted(far)
    assert far[0] > 0


def test_it_is_the_mean_distance_of_sorted_answers() -> None:
    """By loops, of the smallest images that have patches of their own."""
    x, fake = images(3, SIDE + 1, 0), images(3, SIDE + 1, 1)
    noise = torch.Generator().manual_seed(0)
    patches = torch.randn(PATCHES, 3, SIDE, SIDE, generator=noise)
    total = 0.0
    for patch in patches:
        rows = []
        for v in (x, fake):
            d = v - enlarged(avg_pool2d(v, 2))
            places = [(i, j) for i in range(2) for j in range(2)]
            answers = [
                (d[k, :, i : i + SIDE, j : j + SIDE] * patch).sum().item() / patch.norm().item()
                for k in range(3)
                for i, j in places
            ]
            rows.append(sorted(answers))
        total += sum(abs(a - b) for a, b in zip(*rows, strict=True)) / 12
    assert apart(x, fake).item() == pytest.approx(total / PATCHES, rel=1e-4)
