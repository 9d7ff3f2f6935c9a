"""Points in the plane as images of 1 x 2 pixels, so that methods play on them unchanged.

What the papers try their critics on: 8 Gaussians on a circle, 25 on a grid, the Swiss roll. All lie
within [-1, 1], where generators end in tanh.

n points; [n, 1, 1, 2] as images
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..build import make_players
from ..config import Config, Images, Recipe
from ..players import Players
from ..size import Size

POINT = Size(1, 2)  # pixels: x and y
RADIUS = 0.75  # of the circle of 8 Gaussians
STEP = 0.4  # from one of 25 Gaussians to the next, along each side

Draw = Callable[[int, torch.Generator], Tensor]  # n points of a set, [n, 2]


def ring(n: int, noise: torch.Generator) -> Tensor:
    """8 Gaussians of deviation .0075 on a circle of radius .75, the paper's at .53 of its size."""
    angle = torch.randint(8, (n,), generator=noise) * (2 * math.pi / 8)
    centres = RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)
    return centres + 0.0075 * torch.randn(n, 2, generator=noise)


def lattice(n: int, noise: torch.Generator) -> Tensor:
    """25 Gaussians of deviation .01 on a grid with steps of .4, the paper's shape."""
    centres = torch.randint(-2, 3, (n, 2), generator=noise) * STEP
    return centres + 0.01 * torch.randn(n, 2, generator=noise)


def roll(n: int, noise: torch.Generator) -> Tensor:
    """The Swiss roll seen from its side, with noise of deviation .015."""
    t = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=noise))
    spiral = torch.stack([t * t.cos(), t * t.sin()], dim=1) / 16
    return spiral + 0.015 * torch.randn(n, 2, generator=noise)


SETS: dict[str, Draw] = {"8 Gaussians": ring, "25 Gaussians": lattice, "Swiss roll": roll}


def sample(draw: Draw, n: int, seed: int) -> Tensor:
    """n points of a set, [n, 1, 1, 2], a function of the seed."""
    return as_images(draw(n, torch.Generator().manual_seed(seed)))


def as_images(points: Tensor) -> Tensor:
    """[n, d] to [n, 1, 1, d]; d is 2 in the plane."""
    return points.view(len(points), 1, 1, -1)


@dataclass
class PointReals:
    """Endless points of a set; the batch is a function of the seed and of how many were drawn."""

    draw: Draw
    seed: int = 0
    drawn: int = 0

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        """The next n points, [n, 1, 1, 2]."""
        points = sample(self.draw, n, hash((self.seed, self.drawn)) & 0x7FFFFFFF)
        self.drawn += n
        return points


class Still(nn.Module):
    """A generator that does not learn: latents [n, d] to points [n, 1, 1, 2] by a fixed rule.

    With it a method trains its critic to optimality, which is what many claims are about. It has
    one parameter, whose gradient is 0, because a player must own something to move.
    """

    def __init__(self, rule: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.rule = rule  # z [n, d] -> points [n, 2]
        self.nothing = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        """Points as images."""
        return as_images(self.rule(z)) + self.nothing * 0


def toy_config(recipe: Recipe, seed: int) -> Config:
    """A run on points that writes nothing; `training.play` plays it."""
    return Config(recipe, Images("points", "", "", POINT, 1), seed=seed)


def toy_players(
    recipe: Recipe, seed: int, still: Callable[[Tensor], Tensor] | None = None
) -> Players:
    """Players for points; with `still` the generator is that rule and does not learn."""
    players = make_players(toy_config(recipe, seed))
    if still is None:
        return players
    generator = Still(still)
    optimizer = recipe.optimizer.optimizer(generator.parameters())
    return Players(generator, players.critic, optimizer, players.opt_c, players.space)


class Unmoved(Optimizer):
    """An optimizer that moves nothing: its player gets gradients, to be read, and stays."""

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        super().__init__(parameters, {"lr": 0.0})

    def step(self) -> None:  # type: ignore[override]  # takes no closure: nothing here has one
        """Nothing."""


# The papers' noise of deviation 1 at the scale of our sets, and the gap from one piece of a set to
# the next.
NOISE = {"8 Gaussians": 0.53, "25 Gaussians": 0.57, "Swiss roll": 0.47}
GAP = {"8 Gaussians": 0.57, "25 Gaussians": 0.4, "Swiss roll": 0.39}


def blurred(name: str, seed: int) -> Callable[[Tensor], Tensor]:
    """A rule for `Still`: real points of a set + noise, what WGAN-GP holds its fakes at.

    Latents are [n, 2]. The real points differ from those of PointReals of the same seed.
    """
    others, deviation = PointReals(SETS[name], seed + 1_000_000), NOISE[name]
    return lambda z: others(len(z)).view(-1, 2) + deviation * z


def centres(name: str) -> Tensor:
    """Where the Gaussians of a set are, [m, 2]."""
    if name == "8 Gaussians":
        angle = torch.arange(8) * (2 * math.pi / 8)
        return RADIUS * torch.stack([angle.cos(), angle.sin()], dim=1)
    line = torch.arange(-2, 3) * STEP
    return torch.cartesian_prod(line, line)
