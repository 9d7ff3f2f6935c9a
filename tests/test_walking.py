"""Paths through a latent space."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from poise.latents import LatentSpace, Prior
from poise.walking import SMOOTH, between, random_walk, slerp, smooth, smooth_on_sphere, through

SPACES = [LatentSpace(7, "normal"), LatentSpace(7, "uniform"), LatentSpace(1, "normal")]
NORMAL, UNIFORM = SPACES[:2]


def steps(path: Tensor) -> Tensor:
    """The length of each step of a loop [f, n, d], of which the last leads to the first: [f, n]."""
    length: Tensor = moves(path).norm(dim=-1)
    return length


def moves(path: Tensor) -> Tensor:
    """From each frame of a loop to the next."""
    return path.roll(-1, 0) - path


def sharpest(path: Tensor) -> float:
    """The largest change from one step of a loop to the next."""
    return steps(moves(path)).max().item()


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize(("keys", "frames"), [(2, 48), (5, 47), (8, 192)])
def test_a_walk_is_a_loop_without_a_seam(space: LatentSpace, keys: int, frames: int) -> None:
    length = steps(random_walk(space, 4, keys, frames, seed=3))
    assert (length[-1] <= length[:-1].max(0).values + 1e-6).all()


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_no_frame_of_a_walk_turns_a_corner(space: LatentSpace) -> None:
    """With twice the frames each turn is a quarter of what it was; at a corner it stays a half."""
    keys = space.fixed(20, 0).view(4, 5, -1)
    round_ = [sharpest(random_walk(space, 4, 5, frames, seed=0)) for frames in (200, 400)]
    cornered = [sharpest(through(keys, frames, space)) for frames in (200, 400)]
    assert round_[0] / round_[1] == pytest.approx(4, abs=0.4)
    assert cornered[0] / cornered[1] == pytest.approx(2, abs=0.4)


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("rest", [False, True])
def test_before_it_is_smoothed_a_walk_meets_its_keys_to_the_bit_and_ends_at_the_first(
    space: LatentSpace, rest: bool
) -> None:
    keys = space.fixed(15, 1).view(3, 5, -1)
    path = through(keys, 60, space, rest=rest)
    assert path.shape == (60, 3, space.size)
    assert torch.allclose(path[::12].transpose(0, 1), keys, atol=1e-6)
    back = between(keys[:, 4], keys[:, 0], torch.tensor(11 / 12), space)
    assert rest or torch.allclose(path[-1], back, atol=1e-6)


def test_a_walk_that_rests_halts_at_its_keys_and_another_does_not() -> None:
    keys = UNIFORM.fixed(4, 1)[None]
    even, resting = (steps(through(keys, 400, UNIFORM, rest=rest)) for rest in (False, True))
    assert torch.allclose(even[:100], even[:1].expand(100, 1), rtol=1e-3)
    assert resting[0] < 0.05 * even[0]
    assert resting[50] == pytest.approx(1.5 * even[50].item(), rel=1e-2)  # d/dt of 3 t^2 - 2 t^3


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_slerp_turns_the_direction_by_a_share_of_the_angle_in_the_plane_of_both(
    share: float,
) -> None:
    """By another formula: Gram-Schmidt gives a right angle, in which to turn by hand."""
    for seed in range(20):
        a, b = LatentSpace(5).fixed(2, seed).double().numpy()
        u, v = a / np.linalg.norm(a), b / np.linalg.norm(b)
        upright = v - (v @ u) * u
        upright /= np.linalg.norm(upright)
        angle = share * math.atan2(v @ upright, v @ u)
        length = (1 - share) * np.linalg.norm(a) + share * np.linalg.norm(b)
        want = length * (math.cos(angle) * u + math.sin(angle) * upright)
        got = slerp(torch.tensor(a), torch.tensor(b), torch.tensor(share))
        assert np.allclose(got.numpy(), want, atol=1e-10)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_where_no_arc_is_the_shortest_the_way_is_straight(factor: float) -> None:
    a = LatentSpace(5).fixed(1, 0)
    got = slerp(a, factor * a, torch.tensor(0.25))
    assert torch.allclose(got, a * (0.75 + 0.25 * factor))


def test_normal_latents_keep_their_norm() -> None:
    space, keys = LatentSpace(64), 5
    norms = space.fixed(3 * keys, 9).view(3, keys, -1).norm(dim=-1)
    path = random_walk(space, 3, keys, 100, seed=9).norm(dim=-1)
    assert (path >= norms.min(1).values - 1e-4).all()
    assert (path <= norms.max(1).values + 1e-4).all()


def test_a_mean_of_normal_latents_would_be_too_short() -> None:
    """What the sphere is for: without it a walk leaves the norms that the generator knows."""
    path = through(LatentSpace(64).fixed(8, 0)[None], 96, LatentSpace(64))
    shorter = smooth(path, sigma=12).norm(dim=-1)
    assert shorter.min() < 0.9 * smooth_on_sphere(path, sigma=12).norm(dim=-1).min()


@pytest.mark.parametrize("keys", [2, 3, 8])
def test_uniform_latents_stay_in_their_cube(keys: int) -> None:
    path = random_walk(LatentSpace(500, "uniform"), 8, keys, 64, seed=1)
    assert path.abs().max() <= 1
    corners = LatentSpace(500, "uniform").fixed(2, 1).sign()[None]
    assert between(corners[:, 0], corners[:, 1], torch.tensor(0.3), UNIFORM).abs().max() <= 1


def test_uniform_latents_are_the_smoothed_straight_lines_between_their_keys() -> None:
    keys = UNIFORM.fixed(8, 5).view(2, 4, -1)
    t = torch.arange(10).view(10, 1, 1) / 10
    lines = [(1 - t) * keys[:, k] + t * keys[:, (k + 1) % 4] for k in range(4)]
    want = by_hand(torch.cat(lines), SMOOTH * 10)
    assert np.allclose(random_walk(UNIFORM, 2, 4, 40, seed=5).numpy(), want, atol=1e-6)


def by_hand(path: Tensor, sigma: float) -> np.ndarray:
    """A circular convolution, sum by sum."""
    values, frames = path.double().numpy(), len(path)
    mean = np.zeros_like(values)
    for i in range(frames):
        away = [min((i - j) % frames, (j - i) % frames) for j in range(frames)]
        weights = np.exp([-0.5 * (steps / sigma) ** 2 for steps in away])
        mean[i] = np.tensordot(weights / weights.sum(), values, 1)
    return mean


@pytest.mark.parametrize("frames", [12, 25])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_smoothing_is_a_circular_convolution_with_a_gaussian(frames: int, sigma: float) -> None:
    path = torch.randn(frames, 2, 3, generator=torch.Generator().manual_seed(0))
    assert np.allclose(smooth(path, sigma).numpy(), by_hand(path, sigma), atol=1e-6)


def test_smoothing_keeps_a_path_that_stands_still() -> None:
    still = NORMAL.fixed(3, 0).expand(20, 3, 7)
    assert torch.allclose(smooth(still, 2.0), still, atol=1e-6)
    assert torch.allclose(smooth_on_sphere(still, 2.0), still, atol=1e-6)


def test_smoothing_knows_no_first_frame() -> None:
    path = torch.randn(20, 2, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(smooth(path.roll(7, 0), 2.0), smooth(path, 2.0).roll(7, 0), atol=1e-6)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_a_walk_is_a_function_of_its_seed_and_the_first_of_many_are_those_of_few(
    prior: Prior,
) -> None:
    space = LatentSpace(6, prior)
    many, few, other = (random_walk(space, n, 4, 32, seed) for n, seed in ((5, 7), (2, 7), (5, 8)))
    assert torch.equal(many, random_walk(space, 5, 4, 32, 7))
    assert torch.allclose(many[:, :2], few, atol=1e-6)
    assert not torch.allclose(many, other, atol=0.1)
