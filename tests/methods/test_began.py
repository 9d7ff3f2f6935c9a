from __future__ import annotations

from statistics import median
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from poise.build import make_players
from poise.errors import OptionError
from poise.latents import LatentSpace
from poise.methods import BEGAN
from poise.players import Players

from ..small import Noise, small_config


class Fixed(nn.Module):
    """A network that returns its weight, whatever it is given, in the shape of an image batch."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, x: Tensor) -> Tensor:
        return self.value.expand(len(x), 1, 8, 8)


class Unmoved(torch.optim.SGD):
    """An optimizer that stays where it is at any rate."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        return


class Constant:
    """Reals of one value each batch, in turn."""

    def __init__(self, *values: float) -> None:
        self.values, self.drawn = list(values), 0

    def __call__(self, n: int, size: Any = None) -> Tensor:
        self.drawn += n
        return torch.full((n, 1, 8, 8), self.values.pop(0))


def still(fake: float, rebuilt: float) -> Players:
    """Players that draw `fake` and rebuild everything as `rebuilt`, and never move."""
    g, d = Fixed(fake), Fixed(rebuilt)
    opt_g, opt_c = (Unmoved(net.parameters(), 0.0) for net in (g, d))
    return Players(g, d, opt_g, opt_c, space=LatentSpace(3, "uniform"))


@pytest.mark.parametrize("eta", [1, 2])
def test_k_and_m_over_three_steps_are_those_made_by_hand(eta: Any) -> None:
    rule = BEGAN(batch=4, gamma=0.5, lambda_k=0.3, eta=eta)
    players, reals = still(fake=0.25, rebuilt=0.5), Constant(1.0, -0.5, 0.5)
    k = 0.0
    for x in (1.0, -0.5, 0.5):
        loss_x, loss_g = abs(x - 0.5) ** eta, 0.25**eta
        want = {
            "k": k,
            "loss_x": loss_x,
            "loss_g": loss_g,
            "convergence": loss_x + abs(0.5 * loss_x - loss_g),
        }
        losses = {name: value.item() for name, value in rule.step(players, reals).items()}
        assert losses == pytest.approx(want, abs=1e-6)
        k = min(1.0, max(0.0, k + 0.3 * (0.5 * loss_x - loss_g)))
        assert players.memory["k"].item() == pytest.approx(k, abs=1e-6)
    assert k == pytest.approx(0.0 if eta == 1 else 0.13125)  # and that by hand, too


@settings(max_examples=50, deadline=None)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(0, 100), st.floats(0.01, 1))
def test_k_stays_within_0_and_1_whatever_comes(
    fake: float, rebuilt: float, lambda_k: float, gamma: float
) -> None:
    players = still(fake, rebuilt)
    for x in (1.0, -1.0, 0.3):
        BEGAN(batch=2, gamma=gamma, lambda_k=lambda_k).step(players, Constant(x))
        assert 0 <= players.memory["k"].item() <= 1


def test_k_weighs_the_fakes_in_the_critics_loss_and_both_move_at_once() -> None:
    """The gradients a step leaves are those of the formulas at the weights before it."""
    config = small_config("began", move="sgd")
    players, again = make_players(config), make_players(config)
    for made in (players, again):
        made.seed_noise(3, 0, 0)
        made.memory["k"] = torch.tensor(0.4)
    BEGAN(batch=4).step(players, Noise())
    g, d, x = again.generator, again.critic, Noise()(4)

    def loss(v: Tensor) -> Tensor:
        each: Tensor = (v - d(v)).abs().flatten(1).mean(1)
        return each.mean()

    z_d, z_g = again.latents(4), again.latents(4)
    assert not torch.equal(z_d, z_g)
    loss_d, loss_g = loss(x) - 0.4 * loss(g(z_d).detach()), loss(g(z_g))
    for network, moved, of in ((d, players.critic, loss_d), (g, players.generator, loss_g)):
        want = torch.autograd.grad(of, list(network.parameters()))
        for p, gradient in zip(moved.parameters(), want, strict=True):
            assert p.grad is not None
            assert torch.allclose(p.grad, gradient, rtol=1e-4, atol=1e-7)


def test_a_fake_beyond_the_margin_pays_the_critic_no_more_and_the_others_as_before() -> None:
    """The critic's gradient is that of its loss over the images within the margin alone."""
    config = small_config("began", move="sgd")
    players, again = make_players(config), make_players(config)
    for made in (players, again):
        made.seed_noise(3, 0, 0)
        made.memory["k"] = torch.tensor(0.4)
        with torch.no_grad():
            made.generator.get_parameter("image.weight").mul_(40)  # some fakes are rebuilt badly
    g, d, x = again.generator, again.critic, Noise()(16)

    def each(v: Tensor) -> Tensor:
        error: Tensor = (v - d(v)).abs()
        return error.flatten(1).mean(1)

    loss_x, spoilt = each(x).mean(), each(g(again.latents(16)).detach())
    margin = float((spoilt.median() / loss_x).detach()) + 1e-4
    assert margin >= 1
    within = spoilt <= margin * loss_x
    assert 0 < int(within.sum()) < 16
    want = torch.autograd.grad(loss_x - 0.4 * (spoilt * within).sum() / 16, list(d.parameters()))
    BEGAN(batch=16, gamma=0.5, margin=margin).step(players, Noise())
    for p, gradient in zip(players.critic.parameters(), want, strict=True):
        assert p.grad is not None
        assert torch.allclose(p.grad, gradient, rtol=1e-4, atol=1e-7)


def test_spoiling_fakes_pays_a_critic_without_end_and_with_a_margin_up_to_there() -> None:
    """Against a generator that stands still, with k at 1."""
    for margin in (None, 2.0):
        players, reals = make_players(small_config("began")), Noise()
        players.memory["k"] = torch.tensor(1.0)
        rule = BEGAN(batch=4, gamma=1.0, lambda_k=0.0, eta=2, margin=margin, window=10**6)
        spoilt, rebuilt = [], []
        for _ in range(200):
            players.seed_noise(0, 0, reals.drawn)
            players.set_rate(3e-3)
            for group in players.opt_g.param_groups:
                group["lr"] = 0.0
            losses = rule.step(players, reals)
            spoilt.append(losses["loss_g"].item())
            rebuilt.append(losses["loss_x"].item())
        if margin is None:
            assert min(spoilt[-50:]) > 1e6
            assert min(rebuilt[-50:]) > 1e6  # and what it knew of reals is lost with it
        else:
            assert median(spoilt[-50:]) < 10
            assert median(rebuilt[-50:]) < 0.5


def rates(players: Players) -> set[float]:
    return {group["lr"] for o in (players.opt_g, players.opt_c) for group in o.param_groups}


def test_the_rate_is_halved_when_m_stalls_and_not_below_the_floor() -> None:
    rule = BEGAN(batch=4, window=8, patience=2, floor=3e-4, lambda_k=0.0)
    players, reals = still(fake=0.0, rebuilt=0.5), Constant(*[0.9] * 40)
    seen = []
    for step in range(40):
        players.set_rate(1e-3)  # as the loop does
        rule.step(players, reals)
        assert len(rates(players)) == 1
        seen.append(rates(players).pop())
        assert seen[-1] <= 1e-3, step
    assert seen[0] == 1e-3
    assert sorted(set(seen), reverse=True) == [1e-3, 5e-4, 3e-4]  # a collapse to 0 is a known bug
    assert [text for _, text in players.notes] == [
        "M, the measure of convergence, has stalled: the rate is halved."
    ] * 2  # at the floor there is nothing left to halve


def test_while_m_falls_the_rate_stays() -> None:
    rule = BEGAN(batch=4, window=8, patience=2, lambda_k=0.0)
    players = still(fake=0.5, rebuilt=0.5)
    reals = Constant(*(0.5 + 0.4 * 0.9**step for step in range(40)))
    for _ in range(40):
        players.set_rate(1e-3)
        rule.step(players, reals)
        assert rates(players) == {1e-3}


def test_the_critic_learns_at_its_share_of_the_rate_that_stands_after_halving() -> None:
    rule = BEGAN(batch=4, window=8, patience=2, floor=3e-4, lambda_k=0.0, critic_rate=0.25)
    players, reals = still(fake=0.0, rebuilt=0.5), Constant(*[0.9] * 40)
    seen = set()
    for _ in range(40):
        players.set_rate(1e-3)
        rule.step(players, reals)
        (g,), (d,) = (o.param_groups for o in (players.opt_g, players.opt_c))
        assert d["lr"] == pytest.approx(g["lr"] / 4)
        seen.add(g["lr"])
    assert seen == {1e-3, 5e-4, 3e-4}, "the generator's is what is halved, down to the floor"


def test_a_rate_that_is_below_the_floor_already_is_left_as_it_is() -> None:
    players = still(0.0, 0.5)
    players.set_rate(1e-6)
    players.scale_rate(0.5, floor=2e-5)
    assert rates(players) == {1e-6}


def test_the_controller_brings_the_ratio_of_the_losses_to_gamma() -> None:
    """In a real game of small networks, for a low and a high gamma."""
    for gamma in (0.3, 0.7):
        config = small_config("began", images=8_000)
        players, reals = make_players(config), Noise()
        rule = BEGAN(batch=4, gamma=gamma, lambda_k=0.05, window=10**6)
        ratios = []
        for _ in range(400):
            players.seed_noise(0, 0, reals.drawn)
            players.set_rate(1e-3)
            losses = rule.step(players, reals)
            ratios.append((losses["loss_g"] / losses["loss_x"]).item())
        late = sum(ratios[200:]) / 200
        assert late == pytest.approx(gamma, abs=0.1)


def test_numbers_that_make_no_sense_are_refused() -> None:
    for gamma in (0.0, -0.5, 1.5, float("nan")):
        with pytest.raises(
            OptionError, match=f"--gamma must be above 0 and at most 1, got {gamma}"
        ):
            BEGAN(gamma=gamma)
    with pytest.raises(OptionError, match="--lambda-k must be at least 0, got -1"):
        BEGAN(lambda_k=-1.0)
    for floor in (-1.0, float("inf"), float("nan")):
        with pytest.raises(OptionError, match=f"--floor must be at least 0, got {floor}"):
            BEGAN(floor=floor)
    with pytest.raises(OptionError, match="--patience must be at least 1, got 0"):
        BEGAN(patience=0)
    for margin in (0.5, float("nan")):
        with pytest.raises(OptionError, match=f"--margin must be at least 1, got {margin}"):
            BEGAN(margin=margin)
    with pytest.raises(OptionError, match=r"--eta must be 1 or 2, got 3"):
        BEGAN(eta=3)  # type: ignore[arg-type]
    for rate in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(OptionError, match=f"--critic-rate must be above 0, got {rate}"):
            BEGAN(critic_rate=rate)
