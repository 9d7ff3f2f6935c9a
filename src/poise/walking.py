"""Paths through a latent space: pure mathematics, no images.

n walks side by side, k keys (the latents a walk passes), f frames, d numbers in a latent. A walk is
a loop: after its last frame comes its first.

Normal latents of d numbers lie near a sphere of radius sqrt(d), and a straight line between two
leaves it: the middle is too short by about sqrt(2), a vector that the generator never saw. So they
walk on the sphere. Uniform latents fill a cube, which holds every straight line between two.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .latents import LatentSpace

SMOOTH = 0.25  # standard deviation of the filter over time, in ways from one key to the next
PARALLEL = 1e-4  # sine of an angle below which two directions are one (or opposite) line


def random_walk(space: LatentSpace, n: int, keys: int, frames: int, seed: int) -> Tensor:
    """n smooth closed loops, each through `keys` random latents of its own, [f, n, d].

    A function of the seed. The first walks of many are those of few. The filter rounds the corners,
    so a walk passes near its keys, not through them.
    """
    latents = space.fixed(n * keys, seed).view(n, keys, space.size)
    path = through(latents, frames, space)
    sigma = SMOOTH * frames / keys
    if _is_round(space):
        return smooth_on_sphere(path, sigma)
    path = smooth(path, sigma)
    return path.clamp(-1, 1) if space.prior == "uniform" else path  # a mean rounds beyond 1


def through(keys: Tensor, frames: int, space: LatentSpace, *, rest: bool = False) -> Tensor:
    """Walks through keys [n, k, d] and back to the first, [f, n, d]; frame i is at i/f of the loop.

    At constant speed; with `rest` slowing down to a halt at each key, by 3 t^2 - 2 t^3.
    """
    count = keys.shape[1]
    place = torch.arange(frames) * count
    key, t = place // frames, (place % frames) / frames  # whole numbers: a key is met exactly
    t = (t * t * (3 - 2 * t) if rest else t).to(keys.dtype)
    here, there = keys[:, key].transpose(0, 1), keys[:, (key + 1) % count].transpose(0, 1)
    return between(here, there, t.view(-1, 1, 1), space)


def between(a: Tensor, b: Tensor, t: Tensor, space: LatentSpace) -> Tensor:
    """The latents at share t in [0, 1] of the way from a to b [..., d]."""
    return slerp(a, b, t) if _is_round(space) else torch.lerp(a, b, t)


def _is_round(space: LatentSpace) -> bool:
    """Whether latents lie on a sphere that can be walked: that of one dimension is two points."""
    return space.prior == "normal" and space.size > 1


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Spherical interpolation: the direction turns evenly from a to b, the norm changes evenly.

        ( sin((1 - t) w) a/|a|  +  sin(t w) b/|b| ) / sin w,     w the angle between a and b

    Where w is 0 or a half turn, so that no arc is the shortest, a straight line. Source: Shoemake
    1985, https://doi.org/10.1145/325334.325242; he has unit vectors only.
    """
    long_a, long_b = _norm(a), _norm(b)
    u, v = a / long_a, b / long_b
    w = (u * v).sum(-1, keepdim=True).clamp(-1, 1).acos()
    sine = w.sin()
    turned = (((1 - t) * w).sin() * u + (t * w).sin() * v) / sine
    arc = turned * torch.lerp(long_a, long_b, t)
    return torch.where(sine.abs() < PARALLEL, torch.lerp(a, b, t), arc)


def smooth(path: Tensor, sigma: float) -> Tensor:
    """A Gaussian mean over the frames of a loop [f, n, d], `sigma` in frames; it has no seam.

    The weights are positive and sum to 1, so no number leaves the range of the path's. By the
    theorem of convolution, as a sum over f x f pairs takes minutes for long walks.
    """
    frames = len(path)
    step = torch.arange(frames, dtype=path.dtype)
    away = torch.minimum(step, frames - step)  # around the loop, the shorter way
    weights = (-0.5 * (away / sigma) ** 2).exp()
    weights = torch.fft.rfft(weights / weights.sum())
    spectrum = torch.fft.rfft(path, dim=0) * weights.view(-1, 1, 1)
    smoothed: Tensor = torch.fft.irfft(spectrum, n=frames, dim=0)
    return smoothed


def smooth_on_sphere(path: Tensor, sigma: float) -> Tensor:
    """The same for directions and norms apart: a mean of vectors is shorter than they are."""
    norms = _norm(path)
    directions = smooth(path / norms, sigma)
    return directions / _norm(directions) * smooth(norms, sigma)


def _norm(latents: Tensor) -> Tensor:
    norms: Tensor = latents.norm(dim=-1, keepdim=True)
    return norms.clamp_min(1e-12)
