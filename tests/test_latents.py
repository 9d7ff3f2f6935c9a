"""What images are made from."""

from __future__ import annotations

import pytest
import torch

from poise.latents import LatentSpace


def test_uniform_latents_fill_the_cube_from_minus_1_to_1_evenly() -> None:
    z = LatentSpace(4, "uniform").draw(50_000, torch.Generator().manual_seed(0))
    assert z.shape == (50_000, 4)
    assert -1 <= z.min() < -0.999
    assert 0.999 < z.max() < 1
    assert z.mean(0).abs().max() < 0.02
    assert torch.allclose(z.var(0), torch.full((4,), 1 / 3), atol=0.01)


def test_normal_latents_are_standard_normal() -> None:
    z = LatentSpace(4).draw(50_000, torch.Generator().manual_seed(0))
    assert z.mean(0).abs().max() < 0.02
    assert torch.allclose(z.T @ z / len(z), torch.eye(4), atol=0.02)


@pytest.mark.parametrize("space", [LatentSpace(3), LatentSpace(3, "uniform")])
def test_the_first_of_many_are_those_of_few_and_another_seed_gives_others(
    space: LatentSpace,
) -> None:
    assert torch.equal(space.fixed(5, seed=7)[:2], space.fixed(2, seed=7))
    assert not torch.equal(space.fixed(2, seed=7), space.fixed(2, seed=8))
