"""Four linear layers of 512, blind to space: the plain networks of WGAN's authors' code.

Arjovsky, Chintala, Bottou 2017, https://arxiv.org/abs/1701.07875, section 4, which speaks of four
hidden layers instead: `layers=5`.

Differs from the authors' code: the generator ends in tanh, so that images are in [-1, 1] for
every network; hidden layers can be normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from ..errors import OptionError
from ..latents import Prior
from ..size import Size
from .layers import Norm, check_networks

HIDDEN = 512  # numbers in a hidden layer at width 1


@dataclass(frozen=True)
class MLP:
    """Linear layers: quick on tiny images, and a hard test for a method on larger ones."""

    prior: ClassVar[Prior] = "normal"
    can: ClassVar[frozenset[str]] = frozenset({"score"})

    width: float = 1.0  # times 512 numbers in a hidden layer
    latent: int = 128  # numbers in a latent
    norm: Norm = "none"  # of the generator
    critic_norm: Norm = "none"  # of the critic
    layers: int = 4  # linear layers

    def __post_init__(self) -> None:
        check_networks(self.width, self.latent)
        if self.layers < 2:
            raise OptionError(f"--layers must be at least 2, got {self.layers}.")

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] in [-1, 1]."""
        shape = (channels, *size)
        body = self._body(self.latent, math.prod(shape), self.norm)
        return nn.Sequential(*body, nn.Tanh(), nn.Unflatten(1, shape))

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to scores [n]."""
        body = self._body(channels * math.prod(size), 1, self.critic_norm)
        return nn.Sequential(nn.Flatten(), *body, nn.Flatten(0))  # [n, 1] -> [n]

    def _body(self, before: int, after: int, norm: Norm) -> list[nn.Module]:
        hidden = max(4, round(HIDDEN * self.width))
        layers: list[nn.Module] = []
        for _ in range(self.layers - 1):
            layers += [nn.Linear(before, hidden), *_norm(norm, hidden), nn.ReLU(inplace=True)]
            before = hidden
        return [*layers, nn.Linear(before, after)]


def _norm(norm: Norm, hidden: int) -> list[nn.Module]:
    if norm == "none":
        return []
    return [nn.BatchNorm1d(hidden) if norm == "batch" else nn.LayerNorm(hidden)]
