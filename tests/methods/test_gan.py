from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from poise.latents import LatentSpace
from poise.methods import GAN
from poise.players import Players

from ..small import Linear, Noise


class Constant(nn.Module):
    """A generator that draws one image whatever the latent."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.image = nn.Parameter(image.clone())

    def forward(self, z: Tensor) -> Tensor:
        return self.image.expand(len(z), *self.image.shape)


def still(generator: nn.Module, critic: nn.Module, lr: float = 0.0) -> Players:
    """Players that get gradients but do not move."""
    opt_g = torch.optim.SGD(generator.parameters(), lr)
    opt_c = torch.optim.SGD(critic.parameters(), lr)
    return Players(generator, critic, opt_g, opt_c, space=LatentSpace(3))


def logistic(t: float) -> float:
    return 1 / (1 + math.exp(-t))


@pytest.mark.parametrize("saturating", [False, True])
def test_losses_equal_their_formulas_on_a_linear_discriminator(saturating: bool) -> None:
    w, image = torch.full((1, 8, 8), 0.02), torch.full((1, 8, 8), 0.5)
    got = GAN(batch=4, saturating=saturating).step(still(Constant(image), Linear(w)), Noise())
    scores_x = [(x * w).sum().item() for x in Noise()(4)]
    score_fake = (image * w).sum().item()
    loss_d = -sum(math.log(logistic(t)) for t in scores_x) / 4 - math.log(1 - logistic(score_fake))
    loss_g = math.log(1 - logistic(score_fake)) if saturating else -math.log(logistic(score_fake))
    assert got["loss_g"].item() == pytest.approx(loss_g, rel=1e-5)
    assert got["distance"].item() == pytest.approx(math.log(2) - loss_d / 2, rel=1e-5)


@pytest.mark.parametrize("saturating", [False, True])
def test_the_saturating_generator_gets_no_gradient_from_a_sure_discriminator(
    saturating: bool,
) -> None:
    w, image = torch.full((1, 8, 8), 1.0), torch.full((1, 8, 8), -0.5)  # score -32: surely fake
    players = still(Constant(image), Linear(w))
    GAN(batch=4, saturating=saturating).step(players, Noise())
    gradient = next(players.generator.parameters()).grad
    assert gradient is not None
    norm = gradient.norm().item()
    # d/dt of -log s(t) is s(t) - 1, about -1; of log(1 - s(t)) it is -s(t), about 0.
    assert norm == pytest.approx(0.0 if saturating else 8.0, abs=1e-6)


def test_the_distance_of_a_blind_discriminator_is_0_and_of_a_sure_one_log_2() -> None:
    image = torch.full((1, 8, 8), -3.0)  # reals are within [-1, 1]
    blind = GAN(batch=4).step(still(Constant(image), Linear(torch.zeros(1, 8, 8))), Noise())
    assert blind["distance"].item() == pytest.approx(0.0, abs=1e-6)

    class Sure(Linear):
        def forward(self, x: Tensor) -> Tensor:
            inside = (x.flatten(1).amin(1) >= -1).float()
            return super().forward(x) * 0 + 200 * inside - 100

    sure = GAN(batch=4).step(still(Constant(image), Sure(torch.zeros(1, 8, 8))), Noise())
    assert sure["distance"].item() == pytest.approx(math.log(2), rel=1e-6)
