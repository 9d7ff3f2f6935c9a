"""What the sliced Wasserstein distance looks at: levels of a pyramid, patches, directions."""

from __future__ import annotations

import pytest
import torch

from poise.metrics.swd import down, draw_look, laplacian, level_sizes, up
from poise.size import Size

from .varied import noise


@pytest.mark.parametrize("size", [(64, 64), (34, 48), (75, 33), (31, 130), (15, 9)])
def test_the_pyramid_adds_up_to_the_image_exactly(size: tuple[int, int]) -> None:
    images = torch.from_numpy(noise(2, 3, *size)).double()  # the sums of kernel and levels fit
    levels = len(level_sizes(Size(*size)))
    pyramid = [laplacian(images, k, levels) for k in range(levels)]
    whole = pyramid[-1]
    for level in reversed(pyramid[:-1]):
        whole = level + up(whole, Size(*level.shape[2:]))
    assert torch.equal(whole, images)
    assert [tuple(level.shape[2:]) for level in pyramid] == level_sizes(Size(*size))


@pytest.mark.parametrize("size", [(64, 64), (75, 33)])
def test_a_surface_without_detail_is_kept_by_both_filters(size: tuple[int, int]) -> None:
    flat = torch.full((1, 1, *size), 201.0)
    small = down(flat)
    assert (small == 201).all()
    assert (up(small, Size(*size)) == 201).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((128, 128), [(128, 128), (64, 64), (32, 32), (16, 16)]),
        ((64, 96), [(64, 96), (32, 48), (16, 24)]),
        ((96, 32), [(96, 32), (48, 16)]),
        ((75, 75), [(75, 75), (38, 38), (19, 19)]),
        ((31, 40), [(31, 40), (16, 20)]),
        ((30, 40), [(30, 40)]),
        ((28, 28), [(28, 28)]),
        ((7, 200), [(7, 200)]),
    ],
)
def test_levels_go_down_to_16_pixels_on_the_shorter_side(
    size: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    assert level_sizes(Size(*size)) == expected


def test_patches_lie_everywhere_in_the_image_and_directions_have_length_1() -> None:
    look = draw_look(20, Size(9, 8), 3, torch.Generator().manual_seed(0))
    assert set(look.rows.flatten().tolist()) == {0, 1, 2}
    assert set(look.columns.flatten().tolist()) == {0, 1}
    assert look.rows.shape == (20, 128)
    assert look.directions.shape == (512, 147)
    assert torch.allclose(look.directions.norm(dim=1), torch.ones(512))
    assert look.directions.mean().abs() < 0.01  # all around, not to one side
