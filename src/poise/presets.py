"""Presets: each method with networks and an optimizer that suit it, by name.

"paper" and the others hold their papers' numbers; "default" gives a picture in minutes on a
laptop's CPU. Measured: docs/log.md.
"""

from __future__ import annotations

from .config import Recipe
from .errors import unknown
from .methods import GAN, WGAN, WGANGP
from .networks import DCGAN, MLP, ResNet
from .optim import Adam, RMSProp

PRESETS: dict[str, dict[str, Recipe]] = {
    "gan": {
        "default": Recipe(
            GAN(), DCGAN(width=0.5), Adam(2e-4, beta1=0.5, beta2=0.999), images=250_000
        ),
        # DCGAN, section 4: batch 128, Adam 2e-4, beta1 .5.
        "paper": Recipe(
            GAN(batch=128), DCGAN(latent=100), Adam(2e-4, beta1=0.5, beta2=0.999), images=5_000_000
        ),
    },
    "wgan": {
        "default": Recipe(
            WGAN(batch=32, n_critic=3), DCGAN(width=0.5), RMSProp(2e-4), images=300_000
        ),
        # Algorithm 1 and the authors' code.
        "paper": Recipe(WGAN(thorough=True), DCGAN(latent=100), RMSProp(5e-5), images=50_000_000),
        # Figure 3, left: an MLP generator with 4 hidden layers of 512.
        "mlp": Recipe(WGAN(thorough=True), MLP(latent=100), RMSProp(5e-5), images=50_000_000),
    },
    "wgan-gp": {
        "default": Recipe(
            WGANGP(batch=32, n_critic=2),
            DCGAN(width=0.5, critic_norm="none"),
            Adam(3e-4, beta1=0.0, beta2=0.9),
            images=160_000,
        ),
        # Algorithm 1 with the authors' 64x64 ResNet: 200,000 generator updates.
        "paper": Recipe(WGANGP(), ResNet(), Adam(1e-4), images=64_000_000),
        "mnist": Recipe(
            WGANGP(batch=50), DCGAN(critic_norm="none"), Adam(1e-4, beta1=0.5), images=50_000_000
        ),
        "cifar-dcgan": Recipe(
            WGANGP(), DCGAN(width=2, critic_norm="none"), Adam(1e-4, beta1=0.5), images=64_000_000
        ),
        # The authors' generator batch is 128; here both players take 64.
        "cifar-resnet": Recipe(
            WGANGP(),
            ResNet(width=2, critic_norm="none", widen=False),
            Adam(2e-4, decay=32_000_000),
            images=32_000_000,
        ),
    },
}


def recipe(method: str, preset: str = "default") -> Recipe:
    """The recipe of a method by the preset's name.

    Raises:
        OptionError: no such method or preset; says the nearest.
    """
    presets = PRESETS.get(method)
    if presets is None:
        raise unknown("method", method, PRESETS)
    if preset not in presets:
        raise unknown(f"preset of {method}", preset, presets)
    return presets[preset]
