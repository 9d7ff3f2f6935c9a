"""What lower levels hold of an image: the nearest of all linear ways out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from poise.networks import Growing
from poise.readout import at_level, enough
from poise.size import Size, Stage

SMALL = Growing(latent=6, maps=64, widest=8)
SIZE = Size(16, 24)  # levels of 4x6, 8x12 and 16x24


def grown() -> Any:
    torch.manual_seed(0)
    return SMALL.generator(SIZE, 3)


def sum_of_squares(a: Tensor, b: Tensor) -> float:
    return (a - b).double().square().sum().item()


def test_where_a_way_out_makes_the_very_image_that_one_is_found() -> None:
    network = grown()
    network.grow_to(Stage(2, 0.0))  # the image is that of level 1, enlarged
    z = torch.randn(5, 6)
    goal = avg_pool2d(network(z), 2)
    with torch.no_grad():
        seen = at_level(network, 1, z, torch.randn(64, 6))
    assert seen == pytest.approx(goal.detach(), abs=1e-4)
    assert network.stage == Stage(2, 0.0)


@pytest.mark.parametrize("level", [0, 1])
def test_no_way_out_that_is_near_it_is_nearer_to_the_finished_image(level: int) -> None:
    network = grown()
    network.grow_to(Stage(2, 1.0))
    z = torch.randn(enough(network, level), 6)
    goal = avg_pool2d(network(z), 2 ** (2 - level)).detach()
    best = sum_of_squares(at_level(network, level, z, z), goal)
    features: list[Tensor] = []
    network.grow_to(Stage(level, 1.0))
    with network.images[level].register_forward_pre_hook(lambda _, x: features.append(x[0])):
        network(z)
    seen = at_level_of(network, level, z)
    for channel in range(features[0].shape[1]):
        for nudge in (-1e-2, 1e-2):
            moved = seen + nudge * features[0][:, channel : channel + 1].detach()
            assert sum_of_squares(moved, goal) > best
    for nudge in (-1e-2, 1e-2):
        assert sum_of_squares(seen + nudge, goal) > best


def at_level_of(network: Any, level: int, z: Tensor) -> Tensor:
    network.grow_to(Stage(2, 1.0))
    return at_level(network, level, z, z)


def test_the_way_out_that_was_left_behind_has_no_part_in_it() -> None:
    network = grown()
    z, fitted = torch.randn(4, 6), torch.randn(64, 6)
    seen = at_level(network, 1, z, fitted)
    with torch.no_grad():
        network.images[1].weight.normal_()
    assert torch.equal(at_level(network, 1, z, fitted), seen)


def test_a_feature_that_is_always_equal_does_no_harm() -> None:
    network = grown()
    with torch.no_grad():
        network.twos[0].weight[:2] = 0.0
        network.twos[0].bias[:2] = 0.5
    seen = at_level(network, 1, torch.randn(4, 6), torch.randn(64, 6))
    assert seen.isfinite().all()
    assert interpolate(seen, scale_factor=2.0).shape == network(torch.randn(4, 6)).shape
