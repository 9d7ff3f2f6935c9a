from __future__ import annotations

import pytest
import torch

from poise.build import make_players
from poise.errors import OptionError
from poise.methods import WGAN
from poise.methods.wgan import share_at

from ..small import Linear, Noise, small_config
from .test_gan import Constant, still


@pytest.mark.parametrize("clip", [0.001, 0.01, 0.1])
def test_every_critic_weight_is_within_the_clip_after_a_step(clip: float) -> None:
    players = make_players(small_config("wgan", move="sgd"))
    for group in players.opt_c.param_groups:
        group["lr"] = 1e3  # would throw the weights far out
    WGAN(batch=4, n_critic=2, clip=clip).step(players, Noise())
    weights = torch.cat([p.detach().flatten() for p in players.critic.parameters()])
    assert weights.abs().max().item() == pytest.approx(clip)
    generator = torch.cat([p.detach().flatten() for p in players.generator.parameters()])
    assert generator.abs().max() > clip


def test_the_generator_meets_a_critic_that_is_within_the_clip() -> None:
    """The clip follows the move: the generator's loss is that of the clipped critic."""
    image = torch.full((1, 8, 8), 0.5)
    players = still(Constant(image), Linear(torch.zeros(1, 8, 8)))
    for group in players.opt_c.param_groups:
        group["lr"] = 1e3
    loss_g = WGAN(batch=4, n_critic=1, clip=0.01).step(players, Noise())["loss_g"]
    w = next(players.critic.parameters()).detach()
    assert loss_g.item() == pytest.approx(-(w * image).sum().item(), rel=1e-5)


@pytest.mark.parametrize("n_critic", [1, 5])
def test_a_step_draws_n_critic_batches(n_critic: int) -> None:
    reals = Noise()
    WGAN(batch=4, n_critic=n_critic).step(make_players(small_config("wgan")), reals)
    assert reals.drawn == 4 * n_critic


def test_the_distance_is_the_mean_score_of_reals_less_that_of_fakes() -> None:
    w, image = torch.linspace(-1, 1, 64).view(1, 8, 8) * 0.01, torch.full((1, 8, 8), 0.3)
    image[0, :4] = -0.7
    got = WGAN(batch=4, n_critic=1).step(still(Constant(image), Linear(w)), Noise())["distance"]
    want = (Noise()(4) * w).sum((1, 2, 3)).mean() - (image * w).sum()
    assert got.item() == pytest.approx(want.item(), rel=1e-4)


def test_a_thorough_critic_has_100_updates_before_the_first_25_and_every_500th_of_g() -> None:
    rule = WGAN(thorough=True)
    long = [u for u in range(1100) if rule.critic_updates(u) == 100]
    assert long == [*range(25), 500, 1000]
    assert rule.critic_updates(25) == 5
    assert WGAN().critic_updates(0) == 5


def test_the_count_of_updates_is_remembered_so_that_a_resume_keeps_the_rhythm() -> None:
    players, rule = make_players(small_config("wgan")), WGAN(batch=1, thorough=True)
    players.memory["update"] = torch.tensor(24)
    drawn = []
    for _ in range(2):
        reals = Noise()
        rule.step(players, reals)
        drawn.append(reals.drawn)
    assert drawn == [100, 5]
    assert players.state()["memory.update"].item() == 26


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="--n-critic must be at least 1, got 0"):
        WGAN(n_critic=0)
    with pytest.raises(OptionError, match="--clip must be above 0, got 0"):
        WGAN(clip=0.0)


def test_the_share_of_weights_at_the_bound_is_logged() -> None:
    critic = torch.nn.Linear(3, 2)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[0.1, -0.1, 0.0], [0.05, -0.1, 0.02]]))
        critic.bias.copy_(torch.tensor([0.1, -0.01]))
    assert share_at(critic, 0.1).item() == pytest.approx(4 / 8)
