"""Architectures drawn at random: the lottery that somebody enters who builds a GAN for a new set.

Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, section 5.1 draws for each player, around a
DCGAN: its nonlinearity, its depth, batch norm or none, the number of filters of its finest layer.
Here all four are drawn, and the side of the kernels, for small images and a CPU. Weights are He's,
whatever the nonlinearity: nothing is tuned to what was drawn.

n images, c channels, h height, w width
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..latents import Prior
from ..networks.layers import Norm, norm_layer
from ..networks.resnet import initialise
from ..size import Size, base_of

T = TypeVar("T")


class ShiftedSoftplus(nn.Module):
    """The paper's softplus(2 x + 2) / 2 - 1: nearly the identity where x is large, smooth at 0."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return softplus(2 * x + 2) / 2 - 1


ACTIVATIONS: dict[str, nn.Module] = {  # without parameters, so one of each will do
    "relu": nn.ReLU(),
    "leaky relu": nn.LeakyReLU(0.2),
    "tanh": nn.Tanh(),
    "softplus": ShiftedSoftplus(),
}
EXTRA = (0, 1, 3)  # convolutions at each small size beside the one that changes it
FILTERS = (8, 16)  # of the finest layer; each halving doubles them
KERNELS = (3, 5)  # pixels a side
NORMS: tuple[Norm, ...] = ("batch", "none")


@dataclass(frozen=True)
class Player:
    """What was drawn for one of the two players."""

    activation: str = "relu"
    extra: int = 0
    filters: int = 16
    kernel: int = 3
    norm: Norm = "batch"

    def __str__(self) -> str:
        norm = "no norm" if self.norm == "none" else f"{self.norm} norm"
        return (
            f"{self.activation}, {self.filters} filters of {self.kernel}x{self.kernel}, "
            f"{1 + self.extra} a size, {norm}"
        )


@dataclass(frozen=True)
class RandomNetworks:
    """Two players whose architectures know nothing of each other."""

    prior: ClassVar[Prior] = "normal"
    can: ClassVar[frozenset[str]] = frozenset({"score"})

    g: Player = Player()
    d: Player = Player()
    latent: int = 64  # numbers in a latent

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] in [-1, 1]."""
        base, doublings = base_of(size)
        before = self.g.filters << doublings
        shape = (before, *base)
        layers = [nn.Linear(self.latent, shape[0] * shape[1] * shape[2]), nn.Unflatten(1, shape)]
        layers += [norm_layer(self.g.norm, before), ACTIVATIONS[self.g.activation]]
        for halvings in range(doublings - 1, -1, -1):
            after = self.g.filters << halvings
            layers += _extras(self.g, before)
            layers += [nn.Upsample(scale_factor=2), *_convolution(self.g, before, after)]
            before = after
        image = nn.Conv2d(before, channels, self.g.kernel, padding="same")
        return nn.Sequential(*layers, image, nn.Tanh()).apply(initialise)

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to scores [n]."""
        base, doublings = base_of(size)
        layers: list[nn.Module] = []
        before = channels
        for halvings in range(doublings):
            after = self.d.filters << halvings
            # No norm where images enter: it would hide how bright they are.
            entry = self.d if halvings else replace(self.d, norm="none")
            layers += [*_convolution(entry, before, after, stride=2), *_extras(self.d, after)]
            before = after
        score = nn.Linear(before * base.height * base.width, 1)
        layers += [nn.Flatten(), score, nn.Flatten(0)]  # [n, 1] -> [n]
        return nn.Sequential(*layers).apply(initialise)

    def for_penalty(self) -> RandomNetworks:
        """The same with layer norm where the critic has batch norm, which a penalty forbids."""
        return replace(self, d=replace(self.d, norm="layer")) if self.d.norm == "batch" else self


def _convolution(player: Player, before: int, after: int, *, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, player.kernel, stride, player.kernel // 2)
    return [convolution, norm_layer(player.norm, after), ACTIVATIONS[player.activation]]


def _extras(player: Player, filters: int) -> list[nn.Module]:
    return [m for _ in range(player.extra) for m in _convolution(player, filters, filters)]


def drawn(index: int, seed: int) -> RandomNetworks:
    """The index-th architecture of a seed, each choice evenly and for itself."""
    noise = torch.Generator().manual_seed((seed << 20) + index)

    def one_of(these: Sequence[T]) -> T:
        return these[int(torch.randint(len(these), (), generator=noise))]

    def player() -> Player:
        return Player(
            one_of(list(ACTIVATIONS)),
            one_of(EXTRA),
            one_of(FILTERS),
            one_of(KERNELS),
            one_of(NORMS),
        )

    return RandomNetworks(player(), player())
