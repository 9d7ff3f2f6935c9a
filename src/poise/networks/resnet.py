"""Residual networks of the WGAN-GP paper.

Gulrajani et al. 2017, https://arxiv.org/abs/1704.00028, as the authors' 64x64 code: blocks of two
3x3 convolutions, norm and ReLU before each; nearest upsampling in the generator, mean pooling in
the critic; 8, 8, 4, 2, 1 times 64 channels from 4x4 to 64x64. Weights: He's.

Differs from the authors' code: any base and any number of doublings; normal, not uniform weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from ..latents import Prior
from ..size import Size, base_of
from .layers import Norm, channels_after, check_networks, norm_layer


@dataclass(frozen=True)
class ResNet:
    """Residual blocks: better images than DCGAN's, at several times the cost of a step."""

    prior: ClassVar[Prior] = "normal"
    can: ClassVar[frozenset[str]] = frozenset({"score"})

    width: float = 1.0  # times the sensible number of channels for the size
    latent: int = 128  # numbers in a latent
    norm: Norm = "batch"  # of the generator
    critic_norm: Norm = "layer"  # of the critic
    widen: bool = True  # double the channels with each halving; else the same throughout

    def __post_init__(self) -> None:
        check_networks(self.width, self.latent)

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] in [-1, 1]."""
        return Generator(self, size, channels)

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to scores [n]."""
        return Critic(self, size, channels)


class Block(nn.Module):
    """Two convolutions beside a shortcut; doubles the side, or halves it (scale below 1)."""

    def __init__(self, before: int, after: int, norm: Norm, scale: float) -> None:
        super().__init__()
        self.scale = scale
        middle = after if scale > 1 else before
        self.norm1, self.norm2 = norm_layer(norm, before), norm_layer(norm, middle)
        self.conv1 = nn.Conv2d(before, middle, 3, padding=1)
        self.conv2 = nn.Conv2d(middle, after, 3, padding=1)
        self.shortcut = nn.Conv2d(before, after, 1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.relu(self.norm1(x))
        h = self.conv1(interpolate(h, scale_factor=2.0) if self.scale > 1 else h)
        h = self.conv2(self.relu(self.norm2(h)))
        # A 1x1 convolution commutes with both resamplings: done where there are fewer pixels.
        if self.scale > 1:
            shortcut = interpolate(self.shortcut(x), scale_factor=2.0)
        else:
            shortcut, h = self.shortcut(avg_pool2d(x, 2)), avg_pool2d(h, 2)
        return h + shortcut


class Generator(nn.Module):
    """z [n, d] -> images [n, c, h, w] in [-1, 1]."""

    def __init__(self, of: ResNet, size: Size, channels: int) -> None:
        super().__init__()
        self.base = base_of(size)[0]
        widths = _widths(of, size)[::-1]
        self.seed = nn.Linear(of.latent, widths[0] * self.base.height * self.base.width)
        pairs = pairwise(widths)
        self.blocks = nn.Sequential(*(Block(a, b, of.norm, 2) for a, b in pairs))
        self.norm = norm_layer(of.norm, widths[-1])
        self.image = nn.Conv2d(widths[-1], channels, 3, padding=1)
        self.apply(initialise)

    def forward(self, z: Tensor) -> Tensor:
        h = self.seed(z).unflatten(1, (-1, *self.base))  # [n, widths[0], *base]
        images: Tensor = self.image(self.norm(self.blocks(h)).relu()).tanh()
        return images


class Critic(nn.Module):
    """Images [n, c, h, w] -> scores [n]."""

    def __init__(self, of: ResNet, size: Size, channels: int) -> None:
        super().__init__()
        base, widths = base_of(size)[0], _widths(of, size)
        self.image = nn.Conv2d(channels, widths[0], 3, padding=1)
        pairs = pairwise(widths)
        self.blocks = nn.Sequential(*(Block(a, b, of.critic_norm, 0.5) for a, b in pairs))
        self.score = nn.Linear(widths[-1] * base.height * base.width, 1)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.score(self.blocks(self.image(x)).flatten(1))
        return scores.flatten()


def _widths(of: ResNet, size: Size) -> list[int]:
    """Channels from the image's own size down to the base."""
    doublings = base_of(size)[1]
    return [channels_after(k if of.widen else 0, size, of.width) for k in range(doublings + 1)]


def initialise(module: nn.Module) -> None:
    """He's normal weights, no offsets."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
