"""Pieces that several networks share: normalisation by name, initial weights, widths by size."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from torch import nn

from ..errors import OptionError
from ..latents import Prior
from ..size import Size

Norm = Literal["batch", "layer", "none"]


class Networks(Protocol):
    """A choice of architecture, with its numbers: what a run's configuration holds."""

    prior: ClassVar[Prior]  # of the latents
    can: ClassVar[frozenset[str]]  # what a method may need: "score", "rebuild", "grow"

    @property
    def latent(self) -> int:
        """Numbers in a latent."""

    def generator(self, size: Size, channels: int) -> nn.Module:
        """Latents [n, d] to images [n, c, h, w] in [-1, 1]."""

    def critic(self, size: Size, channels: int) -> nn.Module:
        """Images [n, c, h, w] to scores [n]; to images like them if it can "rebuild"."""


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """The normalisation of feature maps [n, channels, h, w] that goes by this name.

    "layer" is over (c, h, w) of one image with a scale and an offset per channel, the drop-in
    that WGAN-GP asks for where a critic must not mix images.
    """
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    return nn.GroupNorm(1, channels) if norm == "layer" else nn.Identity()


def channels_after(halvings: int, size: Size, width: float) -> int:
    """Feature maps after so many halvings of the finest layer, in a network for images of `size`.

    The finest layer has 64 for images up to 64 pixels and fewer above (64 maps of 512 x 512 take
    64 MB an image); each halving doubles them, to 512 at the most; all of it times `width`.
    """
    finest = max(16, 64 * 64 // max(*size, 64))
    return max(4, round(width * min(finest << halvings, 512)))


def check_networks(width: float, latent: int) -> None:
    """Refuse what no network can be built from.

    Raises:
        OptionError: width or latent out of range.
    """
    if not 0 < width <= 16:
        raise OptionError(f"--width is a factor above 0 and up to 16, got {width}.")
    if latent < 1:
        raise OptionError(f"--latent must be at least 1, got {latent}.")
