"""Networks that grow: both players work at any level from the base up, with new layers fading in.

Karras, Aila, Laine, Lehtinen 2017, https://arxiv.org/abs/1710.10196, sections 2 to 4 and table 2.
Level k has sides of base x 2^k and min(8192 / 2^(k+1), 512) feature maps. At stage (level, alpha):

    generator   lerp(up(image_{k-1}(h_{k-1})), image_k(h_k), alpha)          on images
    critic      lerp(read_{k-1}(down(x)), down(block_k(read_k(x))), alpha)   on features

    pixelnorm           a / sqrt(mean_c a^2 + 1e-8), after every convolution of the generator
    equalized rate      weights N(0, 1), times gain / sqrt(fan_in) whenever they are used
    minibatch deviation one map for the critic's last block: the deviation over groups of images,
                        averaged over maps and pixels

Leaky ReLU of .2; gain sqrt 2, but sqrt 2 / 4 for the generator's first layer and 1 where images or
scores come out. No tanh. A latent is first brought to a root mean square of 1.

Not set to a stage, they work at the full size, so every method that needs scores can use them.

Differs from the authors' code: any base (64x96 grows from 4x6); a batch that groups of 4 do not
divide has smaller groups; the generator's first layer has an offset for each of its numbers, not
for each of its maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, leaky_relu, linear

from ..errors import OptionError
from ..latents import Prior
from ..size import Size, Stage, levels_of
from .layers import check_networks

SQRT2 = math.sqrt(2)


@dataclass(frozen=True)
class Growing:
    """Networks that grow with the images. Defaults: the paper's."""

    width: float | None = 1.0  # times the feature maps; unset: maps and widest fit the machine
    latent: int = 512  # numbers in a latent
    maps: int = 8192  # feature maps of level k: maps / 2^(k+1) ...
    widest: int = 512  # ... and at most so many; both times `width`
    group: int = 4  # images over which the critic sees the deviation; 1: it sees none
    pixelnorm: bool = True  # off: the generator's features are not normalised
    equalized: bool = True  # off: weights are scaled once, not whenever they are used

    prior: ClassVar[Prior] = "normal"
    can: ClassVar[frozenset[str]] = frozenset({"score", "grow"})

    def __post_init__(self) -> None:
        check_networks(1.0 if self.width is None else self.width, self.latent)
        for name in ("maps", "widest", "group"):
            if getattr(self, name) < 1:
                raise OptionError(f"--{name} must be at least 1, got {getattr(self, name)}.")

    def maps_at(self, level: int) -> int:
        """Feature maps of a level."""
        if self.width is None:
            raise OptionError("the width is not chosen yet. Give --width, a factor.")
        return max(4, round(self.width * min(self.maps >> (level + 1), self.widest)))

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] of the stage's level, near [-1, 1]."""
        return Generator(self, size, channels)

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] of the stage's level to scores [n]."""
        return Critic(self, size, channels)


class Weighted(nn.Module):
    """A linear or a convolution layer with the equalized learning rate, and a plain offset."""

    def __init__(self, shape: tuple[int, ...], gain: float, *, equalized: bool) -> None:
        super().__init__()
        scale = gain / math.sqrt(math.prod(shape[1:]))  # He's; the fan-in is all but the first
        self.scale = scale if equalized else 1.0
        self.weight = nn.Parameter(torch.randn(shape) * (1.0 if equalized else scale))
        self.bias = nn.Parameter(torch.zeros(shape[0]))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        if weight.dim() == 2:
            return linear(x, weight, self.bias)
        return conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class _Growing(nn.Module):
    """A network whose working level is set from outside and saved with its weights."""

    def __init__(self, of: Growing, size: Size) -> None:
        super().__init__()
        self.of, self.levels = of, levels_of(size)
        self.stage = Stage(len(self.levels) - 1, 1.0)  # no buffers: reading one stalls a GPU

    def grow_to(self, stage: Stage) -> None:
        """Work at this stage from now on."""
        self.stage = stage

    def get_extra_state(self) -> Tensor:
        """The stage, for a checkpoint."""
        return torch.tensor(self.stage, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what a checkpoint holds."""
        level, alpha = state.tolist()
        self.stage = Stage(int(level), alpha)

    def conv(self, before: int, after: int, side: int = 3, gain: float = SQRT2) -> Weighted:
        """A convolution."""
        return Weighted((after, before, side, side), gain, equalized=self.of.equalized)

    def dense(self, before: int, after: int, gain: float = SQRT2) -> Weighted:
        """A linear layer."""
        return Weighted((after, before), gain, equalized=self.of.equalized)


class Generator(_Growing):
    """z [n, d] -> images [n, c, h, w] of the stage's level, near [-1, 1]."""

    def __init__(self, of: Growing, size: Size, channels: int) -> None:
        super().__init__(of, size)
        maps = [of.maps_at(k) for k in range(len(self.levels))]
        base = self.levels[0]
        self.seed = self.dense(of.latent, maps[0] * base.height * base.width, SQRT2 / 4)
        self.first = self.conv(maps[0], maps[0])
        self.ones = nn.ModuleList([self.conv(a, b) for a, b in pairwise(maps)])
        self.twos = nn.ModuleList([self.conv(b, b) for b in maps[1:]])
        self.images = nn.ModuleList([self.conv(m, channels, 1, gain=1.0) for m in maps])

    def forward(self, z: Tensor) -> Tensor:
        level, alpha = self.stage
        h = self.seed(pixelnorm(z)).unflatten(1, (-1, *self.levels[0]))  # [n, maps, *base]
        h = self.bent(self.first(self.bent(h)))
        coarse = h
        for one, two in zip(self.ones[:level], self.twos[:level], strict=True):
            coarse = h
            h = self.bent(two(self.bent(one(doubled(h)))))
        images: Tensor = self.images[level](h)
        if alpha < 1:
            images = torch.lerp(doubled(self.images[level - 1](coarse)), images, alpha)
        return images

    def bent(self, h: Tensor) -> Tensor:
        """What follows every convolution."""
        h = bent(h)
        return pixelnorm(h) if self.of.pixelnorm else h


class Critic(_Growing):
    """Images [n, c, h, w] of the stage's level -> scores [n]."""

    def __init__(self, of: Growing, size: Size, channels: int) -> None:
        super().__init__(of, size)
        maps = [of.maps_at(k) for k in range(len(self.levels))]
        base = self.levels[0]
        self.reads = nn.ModuleList([self.conv(channels, m, 1) for m in maps])
        self.ones = nn.ModuleList([self.conv(b, b) for b in maps[1:]])
        self.twos = nn.ModuleList([self.conv(b, a) for a, b in pairwise(maps)])
        self.last = self.conv(maps[0] + (of.group > 1), maps[0])
        self.flat = self.dense(maps[0] * base.height * base.width, maps[0])
        self.score = self.dense(maps[0], 1, gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        level, alpha = self.stage
        h = bent(self.reads[level](x))
        for k in range(level, 0, -1):
            h = halved(bent(self.twos[k - 1](bent(self.ones[k - 1](h)))))
            if k == level and alpha < 1:
                h = torch.lerp(bent(self.reads[level - 1](halved(x))), h, alpha)
        if self.of.group > 1:
            h = torch.cat([h, deviation(h, self.of.group)], 1)
        h = bent(self.flat(bent(self.last(h)).flatten(1)))
        scores: Tensor = self.score(h)
        return scores.flatten()


def bent(h: Tensor) -> Tensor:
    """Leaky ReLU."""
    return leaky_relu(h, 0.2)


def doubled(x: Tensor) -> Tensor:
    """Twice the sides, by nearest neighbour."""
    return interpolate(x, scale_factor=2.0)


def halved(x: Tensor) -> Tensor:
    """Half the sides: means of 2x2."""
    return avg_pool2d(x, 2)


def pixelnorm(a: Tensor) -> Tensor:
    """Each pixel's features, or each latent, to a root mean square of 1."""
    return a * torch.rsqrt(a.square().mean(1, keepdim=True) + 1e-8)


def deviation(h: Tensor, group: int) -> Tensor:
    """How much images of a group differ, as one map [n, 1, h, w] of features h [n, c, h, w].

    Groups hold every (n / group)-th image, as the authors' do; the map is the same for all of one.
    """
    n = len(h)
    group = max(g for g in range(1, min(group, n) + 1) if n % g == 0)
    grouped = h.float().view(group, n // group, *h.shape[1:])
    spread = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))  # [n / group]
    each = spread.to(h.dtype).repeat(group).view(n, 1, 1, 1)
    return each.expand(n, 1, *h.shape[2:])
