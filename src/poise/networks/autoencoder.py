"""BEGAN's networks: a critic that encodes an image and decodes it again, and a generator that is
such a decoder.

Berthelot, Schumm, Metz 2017, https://arxiv.org/abs/1703.10717, section 3.5 and figure 1. With n
filters and h numbers in a latent:

    encoder   3x3 to n; at each size two 3x3 of n, 2n, 3n, ... with ELU; halved by stride 2;
              linear to h
    decoder   linear from h to base x n; at each size two 3x3 of n with ELU; doubled by nearest
              neighbour; 3x3 to the image

No normalisation, and nothing non-linear around the latent or on the image.

Optional, as in the paper: skip connections (h_0, the decoder's first maps, beside the input of
every doubled size) and vanishing residuals (carry in + (1 - carry) out over convolutions that keep
the number of maps, the carry falling from 1 to 0).

Differs from the paper: any base of 6 to 15 pixels (64x96 starts from 8x12, 28x28 from 7x7) where
the paper has 8; the carry falls with the images drawn, over 16,000 batches of 16 by default.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, interpolate

from ..errors import OptionError
from ..latents import Prior
from ..size import Size, base_of
from .layers import check_networks

FILTERS = 64  # feature maps at width 1
SMALLEST_MAPS = 6  # pixels; a base of 4 or 5 is doubled once, to about the paper's 8


@dataclass(frozen=True)
class AutoEncoder:
    """An autoencoder as critic, its decoder as generator: what began plays with."""

    width: float = 1.0  # times 64 filters
    latent: int = 64  # numbers in a latent, of the generator and of the critic
    skip: bool = False  # give the decoder's first maps to every size once more
    residual: bool = False  # let inputs of convolutions pass by at first (vanishing residuals)
    carry: int = 256_000  # images over which that share falls from 1 to 0

    prior: ClassVar[Prior] = "uniform"
    can: ClassVar[frozenset[str]] = frozenset({"rebuild"})

    def __post_init__(self) -> None:
        check_networks(self.width, self.latent)
        if self.carry < 1:
            raise OptionError(f"--carry must be at least 1 image, got {self.carry}.")

    @property
    def filters(self) -> int:
        """Feature maps of the finest layers: n."""
        return max(4, round(FILTERS * self.width))

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w], near [-1, 1]."""
        return Decoder(self, size, channels)

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to what the autoencoder makes of them, [n, c, h, w]."""
        return Critic(self, size, channels)


class Convolutions(nn.Module):
    """Two 3x3 convolutions with ELU, `carry` of the input passing by where the shapes agree."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)

    def forward(self, x: Tensor, carry: float) -> Tensor:
        for conv in (self.conv1, self.conv2):
            h = elu(conv(x))
            x = torch.lerp(h, x, carry) if carry and h.shape == x.shape else h
        return x


class _Carrying(nn.Module):
    """A network whose carry is a function of the clock, and is saved with its weights."""

    def __init__(self, of: AutoEncoder) -> None:
        super().__init__()
        self.over = of.carry if of.residual else 0  # images; 0: nothing is carried
        self.carry = 1.0 if self.over else 0.0  # no buffer: reading one would stall a GPU

    def set_clock(self, drawn: int) -> None:
        """Take on the carry of this moment."""
        self.carry = max(0.0, 1 - drawn / self.over) if self.over else 0.0

    def get_extra_state(self) -> Tensor:
        """The carry, for a checkpoint."""
        return torch.tensor(self.carry, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over what a checkpoint holds."""
        self.carry = float(state)


class Decoder(_Carrying):
    """h [n, d] -> images [n, c, h, w], near [-1, 1]."""

    def __init__(self, of: AutoEncoder, size: Size, channels: int) -> None:
        super().__init__(of)
        n, sizes = of.filters, sizes_of(size)
        self.base, self.skip = sizes[0], of.skip
        self.seed = nn.Linear(of.latent, n * self.base.height * self.base.width)
        widened = 2 * n if of.skip else n
        self.blocks = nn.ModuleList(
            [Convolutions(n, n), *(Convolutions(widened, n) for _ in sizes[1:])]
        )
        self.image = nn.Conv2d(n, channels, 3, padding=1)
        self.apply(initialise)

    def forward(self, h: Tensor) -> Tensor:
        first = self.seed(h).unflatten(1, (-1, *self.base))  # [n, filters, *base]: h_0
        x: Tensor = first
        for doublings, block in enumerate(self.blocks):
            if doublings:
                x = interpolate(x, scale_factor=2.0)
            if doublings and self.skip:
                x = torch.cat([x, interpolate(first, scale_factor=2.0**doublings)], 1)
            x = block(x, self.carry)
        images: Tensor = self.image(x)
        return images


class Encoder(_Carrying):
    """Images [n, c, h, w] -> h [n, d]."""

    def __init__(self, of: AutoEncoder, size: Size, channels: int) -> None:
        super().__init__(of)
        sizes = sizes_of(size)
        maps = [of.filters * (k + 1) for k in range(len(sizes))]  # n, 2n, 3n, ...
        self.image = nn.Conv2d(channels, maps[0], 3, padding=1)
        self.blocks = nn.ModuleList([Convolutions(m, m) for m in maps])
        self.halves = nn.ModuleList([nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(maps)])
        self.code = nn.Linear(maps[-1] * sizes[0].height * sizes[0].width, of.latent)
        self.apply(initialise)

    def forward(self, x: Tensor) -> Tensor:
        x = elu(self.image(x))
        for block, half in zip(self.blocks, [*self.halves, None], strict=True):
            x = block(x, self.carry)
            if half is not None:
                x = elu(half(x))
        code: Tensor = self.code(x.flatten(1))
        return code


class Critic(nn.Module):
    """Images [n, c, h, w] -> what an encoder and a decoder make of them, [n, c, h, w]."""

    def __init__(self, of: AutoEncoder, size: Size, channels: int) -> None:
        super().__init__()
        self.encoder = Encoder(of, size, channels)
        self.decoder = Decoder(of, size, channels)

    def forward(self, x: Tensor) -> Tensor:
        images: Tensor = self.decoder(self.encoder(x))
        return images


def initialise(module: nn.Module) -> None:
    """Glorot's uniform weights, no offsets.

    PyTorch's own first weights shrink a signal by 1.7 in each layer: ten layers on, all latents
    give one image, and nothing in the losses pulls the images apart again.
    """
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def sizes_of(size: Size) -> Sequence[Size]:
    """The sizes that maps go through, smallest first."""
    base, doublings = base_of(size)
    first = 1 if min(base) < SMALLEST_MAPS and doublings else 0
    return [base.doubled(k) for k in range(first, doublings + 1)]
