"""Presets: each method with networks and an optimizer that suit it, by name.

"paper" and the others hold their papers' numbers; "default" gives a picture in minutes on a
laptop's CPU. Measured: docs/log.md.
"""

from __future__ import annotations

from .config import Recipe
from .errors import unknown
from .methods import BEGAN, GAN, WGAN, WGANGP, Progressive
from .networks import DCGAN, MLP, AutoEncoder, Growing, ResNet
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
        # The authors' code with MLPs for both: 4 linear layers. The paper speaks of 4 hidden ones.
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
            WGANGP(batch=50),
            DCGAN(norm="none", critic_norm="none"),
            Adam(1e-4, beta1=0.5),
            images=50_000_000,
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
    "began": {
        "default": Recipe(
            BEGAN(
                gamma=1.0,
                lambda_k=0.5,
                eta=2,
                critic_rate=0.5,
                margin=3.0,
                window=4_000,
                patience=3,
            ),
            AutoEncoder(width=0.25, latent=64),
            Adam(4e-4, beta1=0.5, beta2=0.999),
            images=100_000,
        ),
        # Section 4: 128 filters; Adam at 1e-4 with its usual betas.
        "paper": Recipe(
            BEGAN(), AutoEncoder(width=2), Adam(1e-4, beta1=0.9, beta2=0.999), images=5_000_000
        ),
    },
    "progressive": {
        "default": Recipe(
            Progressive(batch=16, fade=None, settle=None),
            Growing(width=None, latent=128),
            Adam(3e-3, beta2=0.99),
            images=100_000,
        ),
        # Appendix A.1 and the authors' code for one GPU.
        "paper": Recipe(Progressive(), Growing(), Adam(1e-3, beta2=0.99), images=12_000_000),
        # Appendix B: narrower, shorter phases, and a penalty that holds the norm at 750.
        "cifar": Recipe(
            Progressive(fade=400_000, settle=400_000, target=750.0),
            Growing(latent=128, maps=4096, widest=128),
            Adam(1e-3, beta2=0.99),
            images=12_000_000,
        ),
        # Table 4: Metz's 1,000 modes of stacked digits.
        "stacked-digits": Recipe(
            Progressive(batch=64, n_critic=5, drift=0.0),
            Growing(latent=128, maps=4096, widest=128),
            Adam(1e-3, beta2=0.99),
            images=12_000_000,
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
