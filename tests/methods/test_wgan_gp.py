from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from poise.build import make_players
from poise.errors import OptionError
from poise.methods import WGANGP
from poise.methods.wgan_gp import gradient_penalty
from poise.networks import DCGAN, MLP, ResNet
from poise.networks.layers import Networks
from poise.size import Size

from ..small import SIZE, Linear, Noise, small_config


def pair(n: int) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(n)
    x, fake = (torch.randn(n, 1, 8, 8, generator=noise) for _ in range(2))
    return x, fake, torch.rand(n, generator=noise)


@pytest.mark.parametrize("n", [1, 4, 64])
@pytest.mark.parametrize("scale", [0.01, 0.125, 1.0])
def test_the_penalty_of_a_linear_critic_is_exact_whatever_the_batch(n: int, scale: float) -> None:
    w = torch.arange(64.0).view(1, 8, 8) / 64 * scale
    want = (w.norm().item() - 1) ** 2
    assert gradient_penalty(Linear(w), *pair(n)).item() == pytest.approx(want, rel=1e-4)


@pytest.mark.parametrize("n", [1, 4, 64])
def test_the_penalty_of_a_critic_with_gradient_norm_1_is_0_whatever_the_batch(n: int) -> None:
    w = torch.full((1, 8, 8), 1 / 8)
    assert gradient_penalty(Linear(w), *pair(n)).item() == pytest.approx(0.0, abs=1e-9)


def test_one_sided_only_norms_above_1_are_penalised() -> None:
    low, high = (torch.full((1, 8, 8), k / 8) for k in (0.5, 3.0))
    assert gradient_penalty(Linear(low), *pair(4), one_sided=True).item() == 0.0
    got = gradient_penalty(Linear(high), *pair(4), one_sided=True).item()
    assert got == pytest.approx(4.0, rel=1e-5)


def test_the_penalty_of_a_quadratic_critic_equals_an_independent_formula() -> None:
    class Quadratic(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = x.square().flatten(1).sum(1) / 2  # their gradient at x is x
            return scores

    x, fake, eps = pair(5)
    between = [eps[i] * x[i] + (1 - eps[i]) * fake[i] for i in range(5)]
    want = sum((b.norm().item() - 1) ** 2 for b in between) / 5
    assert gradient_penalty(Quadratic(), x, fake, eps).item() == pytest.approx(want, rel=1e-5)


def test_at_eps_1_the_penalty_is_taken_at_the_reals_and_at_eps_0_at_the_fakes() -> None:
    seen: list[Tensor] = []

    class Spy(Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.detach().clone())
            return super().forward(x)

    x, fake, _ = pair(2)
    gradient_penalty(Spy(torch.ones(1, 8, 8)), x, fake, torch.tensor([1.0, 0.0]))
    assert torch.equal(seen[0][0], x[0])
    assert torch.equal(seen[0][1], fake[1])


@pytest.mark.parametrize("networks", [DCGAN(0.1, critic_norm="layer"), ResNet(0.1), MLP(0.05)])
def test_the_penalty_at_one_image_does_not_change_when_another_does(networks: Networks) -> None:
    torch.manual_seed(0)
    critic = networks.critic(SIZE, 1)
    x, fake, eps = pair(4)

    def terms(x: Tensor) -> Tensor:
        between = torch.lerp(fake, x, eps.view(-1, 1, 1, 1)).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between)
        norms: Tensor = gradient.flatten(1).norm(dim=1)
        return norms

    other = x.clone()
    other[1] = 100.0
    assert torch.allclose(terms(x)[[0, 2, 3]], terms(other)[[0, 2, 3]], rtol=1e-5)
    # And its share of the penalty's own gradient, seen through the image it came from:
    for changed in (x, other):
        changed.requires_grad_()
    grads = [
        torch.autograd.grad(gradient_penalty(critic, each, fake, eps), each)[0]
        for each in (x, other)
    ]
    assert torch.allclose(grads[0][[0, 2, 3]], grads[1][[0, 2, 3]], rtol=1e-4, atol=1e-9)


def test_a_gradient_of_exactly_0_has_penalty_1_and_finite_derivatives() -> None:
    critic = Linear(torch.zeros(1, 8, 8))
    penalty = gradient_penalty(critic, *pair(3))
    penalty.backward()  # type: ignore[no-untyped-call]
    assert penalty.item() == pytest.approx(1.0)
    assert critic.w.grad is not None
    assert torch.isfinite(critic.w.grad).all()


def test_the_penalty_is_in_float32_where_the_networks_are_in_half_precision() -> None:
    critic = Linear(torch.full((1, 8, 8), 50.0)).to(torch.bfloat16)
    x, fake, eps = (t.to(torch.bfloat16) for t in pair(4))
    penalty = gradient_penalty(critic, x, fake, eps)
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx((400.0 - 1) ** 2, rel=1e-5)


def test_a_critic_with_batch_norm_is_refused_and_the_way_out_is_said() -> None:
    critic = DCGAN(0.1, critic_norm="batch").critic(Size(16, 16), 1)
    with pytest.raises(OptionError, match="--critic-norm layer or --critic-norm none"):
        gradient_penalty(critic, *pair(4))


def test_the_loss_of_the_critic_is_its_distance_and_lambda_times_the_penalty() -> None:
    """The gradient that a step leaves in the critic is that of the formula, made by hand."""
    players = make_players(small_config("wgan-gp", move="sgd"))
    players.seed_noise(3, 0, 0)
    again = make_players(small_config("wgan-gp", move="sgd"))
    again.seed_noise(3, 0, 0)
    for group in (*players.opt_c.param_groups, *players.opt_g.param_groups):
        group["lr"] = 0.0
    WGANGP(batch=4, n_critic=1, penalty=7.0).step(players, Noise())
    d, x = again.critic, Noise()(4)
    with torch.no_grad():
        fake = again.generator(again.latents(4))
    loss = d(fake).mean() - d(x).mean() + 7 * gradient_penalty(d, x, fake, again.uniform(4))
    want = torch.autograd.grad(loss, list(d.parameters()))
    for p, gradient in zip(players.critic.parameters(), want, strict=True):
        assert p.grad is not None
        assert torch.allclose(p.grad, gradient, rtol=1e-4, atol=1e-7)


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(OptionError, match="--n-critic must be at least 1, got 0"):
        WGANGP(n_critic=0)
    with pytest.raises(OptionError, match="--penalty must be at least 0, got -1"):
        WGANGP(penalty=-1.0)
