"""The methods by the names that the command line knows them under."""

from ..players import Method
from .gan import GAN
from .wgan import WGAN
from .wgan_gp import WGANGP

METHODS: dict[str, type[Method]] = {"gan": GAN, "wgan": WGAN, "wgan-gp": WGANGP}

__all__ = ["GAN", "METHODS", "WGAN", "WGANGP"]
