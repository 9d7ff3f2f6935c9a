"""Everything a law needs, small enough to play a hundred steps in a second."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from poise.build import make_players
from poise.config import Chores, Config, Images, Recipe
from poise.data.options import PrepareOptions
from poise.meter import Meter
from poise.methods import BEGAN, GAN, METHODS, WGAN, WGANGP, Progressive
from poise.networks import (
    DCGAN,
    MLP,
    NETWORKS,
    AutoEncoder,
    Growing,
    Networks,
    ResNet,
)
from poise.optim import SGD, Adam, Move, OptimisticAdam, OptimisticSGD, RMSProp
from poise.players import Method, Players
from poise.size import Size
from poise.training import play

SIZE = Size(8, 8)

# Every entry of the product's tables must stand here: a new one inherits all laws.
SMALL_METHODS: dict[str, Method] = {
    "gan": GAN(batch=4),
    "wgan": WGAN(batch=4, n_critic=3),
    "wgan-gp": WGANGP(batch=4, n_critic=3),
    "began": BEGAN(batch=4, lambda_k=0.1, margin=1.0, window=16, patience=1, floor=1e-5),
    "progressive": Progressive(batch=4, fade=24, settle=24),  # one doubling, from 24 to 48 images
}
SMALL_NETWORKS: dict[str, Networks] = {
    "dcgan": DCGAN(width=0.07, latent=6, critic_norm="layer"),
    "mlp": MLP(width=0.02, latent=6),
    "resnet": ResNet(width=0.07, latent=6),
    "autoencoder": AutoEncoder(width=0.07, latent=6),
    "growing": Growing(latent=6, maps=32, widest=6, group=1),  # no deviation: images do not mix
}
SMALL_MOVES: dict[str, Move] = {
    "sgd": SGD(1e-3),
    "rmsprop": RMSProp(1e-3),
    "adam": Adam(1e-3, decay=10_000),
    "optimistic-sgd": OptimisticSGD(1e-3),
    "optimistic-adam": OptimisticAdam(1e-3),
}


def networks_for(method: str) -> list[str]:
    """The networks that a method can play with, by name."""
    return [name for name, kind in NETWORKS.items() if METHODS[method].needs in kind.can]


PAIRS = [(method, network) for method in METHODS for network in networks_for(method)]


class Noise:
    """Reals whose i-th image ever drawn is a function of i, in the share of one of the ranks."""

    def __init__(self, drawn: int = 0, rank: int = 0, ranks: int = 1, channels: int = 1) -> None:
        self.drawn, self.rank, self.ranks, self.channels = drawn, rank, ranks, channels

    def __call__(self, n: int, size: Size | None = None) -> Tensor:
        each = n // self.ranks
        first = self.drawn + self.rank * each
        self.drawn += n
        return torch.stack([self._image(i, size or SIZE) for i in range(first, first + each)])

    def _image(self, i: int, size: Size) -> Tensor:
        noise = torch.Generator().manual_seed(i)
        image = torch.rand(self.channels, *size, generator=noise) * 2 - 1
        return image.contiguous(memory_format=torch.contiguous_format)


def small_config(
    method: str = "wgan-gp",
    *,
    move: str = "adam",
    network: str | None = None,
    images: int = 96,
    **changes: Any,
) -> Config:
    """A run of a second."""
    network = network or networks_for(method)[0]  # dcgan, where it will do
    recipe = Recipe(SMALL_METHODS[method], SMALL_NETWORKS[network], SMALL_MOVES[move], images)
    data = Images("noise", "nowhere.poise", "", SIZE, 1, PrepareOptions(size="8"))
    config = Config(recipe, data, Chores(), average=50)
    return dataclasses.replace(config, **changes)


def play_to(config: Config, images: int, players: Players, reals: Noise) -> Meter:
    """Play until so many images are drawn."""
    config = dataclasses.replace(config, recipe=dataclasses.replace(config.recipe, images=images))
    meter = Meter()
    for _, values in play(config, players, reals):
        meter.add(values)
    return meter


def unbroken(config: Config) -> Players:
    """The players at the end of an undisturbed run."""
    players = make_players(config)
    play_to(config, config.recipe.images, players, Noise())
    return players


class Linear(nn.Module):
    """A critic with gradient w everywhere: D(x) = <w, x>."""

    def __init__(self, w: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w.clone())

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = (x * self.w).flatten(1).sum(1)
        return scores


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two states hold the same names and the same bits."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
