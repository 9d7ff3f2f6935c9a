"""DCGAN: strided convolutions, one per doubling of the side.

Radford, Metz, Chintala 2015, https://arxiv.org/abs/1511.06434, as the WGAN authors use it:
4x4 kernels with stride 2, weights N(0, .02), batch norm scales N(1, .02), no norm where images
enter the critic or leave the generator.

Differs from the paper: the first layer spreads a latent over any base (4x6, 7x7), not only 4x4;
all layers have a bias, those before a norm, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from ..latents import Prior
from ..size import Size, base_of
from .layers import Norm, channels_after, check_networks, norm_layer


@dataclass(frozen=True)
class DCGAN:
    """Strided convolutions without residual connections: the fastest per step."""

    prior: ClassVar[Prior] = "normal"
    can: ClassVar[frozenset[str]] = frozenset({"score"})

    width: float = 1.0  # times the sensible number of channels for the size
    latent: int = 128  # numbers in a latent
    norm: Norm = "batch"  # of the generator
    critic_norm: Norm = "batch"  # of the critic

    def __post_init__(self) -> None:
        check_networks(self.width, self.latent)

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] in [-1, 1]."""
        return Generator(self, size, channels)

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to scores [n]."""
        return Critic(self, size, channels)


class Generator(nn.Module):
    """z [n, d] -> images [n, c, h, w] in [-1, 1]."""

    def __init__(self, of: DCGAN, size: Size, channels: int) -> None:
        super().__init__()
        base, doublings = base_of(size)
        before = of.latent
        layers: list[nn.Module] = []
        for halvings in range(doublings - 1, -1, -1):  # of the finest features, at half the size
            after = channels_after(halvings, size, of.width)
            up = _widen(before, after, base) if not layers else _double(before, after)
            layers += [up, norm_layer(of.norm, after), nn.ReLU(inplace=True)]
            before = after
        layers += [
            _double(before, channels) if layers else _widen(before, channels, base),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.layers(z[:, :, None, None])
        return images


class Critic(nn.Module):
    """Images [n, c, h, w] -> scores [n]."""

    def __init__(self, of: DCGAN, size: Size, channels: int) -> None:
        super().__init__()
        base, doublings = base_of(size)
        before = channels
        layers: list[nn.Module] = []
        for halvings in range(doublings):
            after = channels_after(halvings, size, of.width)
            norm = norm_layer(of.critic_norm if halvings else "none", after)
            layers += [nn.Conv2d(before, after, 4, 2, 1), norm, nn.LeakyReLU(0.2, inplace=True)]
            before = after
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, (base.height, base.width)))
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x)
        return scores.flatten()


def _widen(before: int, after: int, base: Size) -> nn.Module:
    return nn.ConvTranspose2d(before, after, (base.height, base.width))  # 1x1 -> base


def _double(before: int, after: int) -> nn.Module:
    return nn.ConvTranspose2d(before, after, 4, 2, 1)


def initialise(module: nn.Module) -> None:
    """DCGAN's first weights: N(0, .02), scales of norms N(1, .02), no offsets."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
