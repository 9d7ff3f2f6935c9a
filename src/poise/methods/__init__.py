"""The methods by the names that the command line knows them under."""

from ..players import Method
from .began import BEGAN
from .gan import GAN
from .progressive import Progressive
from .wgan import WGAN
from .wgan_gp import WGANGP

METHODS: dict[str, type[Method]] = {
    "gan": GAN,
    "wgan": WGAN,
    "wgan-gp": WGANGP,
    "began": BEGAN,
    "progressive": Progressive,
}

__all__ = ["BEGAN", "GAN", "METHODS", "WGAN", "WGANGP", "Progressive"]
