"""Between two real images: for each the latent whose generated image is nearest, by descent on z.

Berthelot, Schumm, Metz 2017 (BEGAN), https://arxiv.org/abs/1703.10717, section 4.3: for a real
image x find by Adam the z that minimises

    e(z) = | x - G(z) |

and interpolate between such latents of real images and of their mirror images.

Differs from the paper: several random starts, of which the best is kept (on faces at 32x32, 16
starts come 1 to 2 of 255 levels nearer than one, in three times the time); the rate falls to 0.
Starts, steps and rate are ours.
Held by: tests/test_between.py::test_several_starts_are_never_worse_than_one

m starts, d numbers in a latent; an image is [c, h, w] in [-1, 1].
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .data.decode import Fitted, Unusable, View, decode
from .errors import DataError
from .generator import Generator
from .pictures import grid, to_uint8
from .size import Size
from .walking import between

STARTS = 16  # random latents that a descent begins from
STEPS = 300  # of Adam
RATE = 0.1  # of Adam in the first step; in units of a latent's numbers
STEPS_BETWEEN = 6  # images between two reconstructions in a strip
LEVELS = 127.5  # of 0..255 in 1 of [-1, 1]


@dataclass(frozen=True)
class Pair:
    """Two real images and their left-right mirror images, in the order they are walked."""

    images: Tensor  # [4, c, h, w]: a, b, mirror of b, mirror of a

    @classmethod
    def read(cls, paths: Sequence[Path], view: View, warn: Callable[[str], None]) -> Pair:
        """Two files, fitted to the view; `warn` hears of those that had another size.

        Raises:
            DataError: a file is missing, or not an image that can be read to its end.
        """
        a, b = fitted = [_read(path, view) for path in paths]
        for path, original in {p: x.original for p, x in zip(paths, fitted, strict=True)}.items():
            if original != view.size:
                warn(f"{path} is {original} pixels; {_how(original, view)}.")
        one, other = _as_tensor(a), _as_tensor(b)
        return cls(torch.stack([one, other, other.flip(-1), one.flip(-1)]))

    @property
    def digest(self) -> str:
        """Eight characters that tell this pair from others."""
        return hashlib.sha256(self.images.numpy().tobytes()).hexdigest()[:8]


def _read(path: Path, view: View) -> Fitted:
    try:
        return decode(path.read_bytes(), view)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}). --between takes two image files."
        ) from error
    except Unusable as error:
        raise DataError(
            f"{path} cannot be used: {error}. --between takes two image files."
        ) from error


def _as_tensor(fitted: Fitted) -> Tensor:
    return torch.from_numpy(fitted.pixels.astype(np.float32)).permute(2, 0, 1) / LEVELS - 1


def _how(original: Size, view: View) -> str:
    """What was done to an image of another size, in words."""
    if original.height * view.size.width == original.width * view.size.height:
        return f"it was scaled to the run's {view.size}"
    done = {"crop": "cropped", "pad": "padded", "stretch": "stretched"}[view.fit]
    return f"it was scaled and {done} to the run's {view.size}, as the run's images were"


@dataclass(frozen=True)
class Found:
    """The nearest that a generator comes to some images."""

    latents: Tensor  # [n, d]
    errors: list[float]  # mean |x - G(z)| of each, in levels of 0..255


def find(
    generator: Generator,
    images: Tensor,
    *,
    seed: int = 0,
    starts: int = STARTS,
    steps: int = STEPS,
    searched: Callable[[int, int], None] = lambda done, of: None,
) -> Found:
    """For each image [n, c, h, w] the latent that draws the nearest; a function of the seed.

    One image after the other, so that memory holds the starts of one. `searched` hears of steps.
    """
    begin = generator.latents(starts, seed=seed)
    done, of = itertools.count(1), len(images) * steps
    found = []
    for image in images:
        z = _descend(generator, image, begin, steps, lambda: searched(next(done), of))
        errors = (generator(z) - image).abs().flatten(1).mean(1)
        found.append((z[errors.argmin()].cpu(), LEVELS * errors.min().item()))
    return Found(torch.stack([z for z, _ in found]), [error for _, error in found])


def _descend(
    generator: Generator, image: Tensor, begin: Tensor, steps: int, stepped: Callable[[], None]
) -> Tensor:
    """The latents [m, d] after so many steps of Adam from `begin`; only they are differentiated."""
    device = next(generator.network.parameters()).device
    z, x = begin.to(device, copy=True).requires_grad_(), image.to(device)
    adam = torch.optim.Adam([z], lr=RATE)
    for k in range(steps):
        adam.param_groups[0]["lr"] = RATE * (1 - k / steps)
        # A sum over the starts: the gradient of each is its own, whatever the others do.
        loss = (generator.network(z) - x).abs().flatten(1).mean(1).sum()
        (z.grad,) = torch.autograd.grad(loss, z)
        adam.step()
        if generator.space.prior == "uniform":
            with torch.no_grad():
                z.clamp_(-1, 1)
        stepped()
    return z.detach()


def strip(generator: Generator, pair: Pair, latents: Tensor) -> NDArray[np.uint8]:
    """A picture of two rows, the images and their mirror images.

    real a | reconstruction of a | interpolations | reconstruction of b | real b
    """
    t = torch.linspace(0, 1, STEPS_BETWEEN + 2).view(-1, 1)
    rows = []
    for a, b in ((0, 1), (3, 2)):
        drawn = generator(between(latents[a], latents[b], t, generator.space))
        rows += [pair.images[a : a + 1], drawn, pair.images[b : b + 1]]
    return grid(to_uint8(torch.cat(rows)), columns=STEPS_BETWEEN + 4)
