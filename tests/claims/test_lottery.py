from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from poise.claims import lottery
from poise.claims.claim import Pieces, Result
from poise.claims.random_networks import RandomNetworks, drawn
from poise.methods.wgan_gp import gradient_penalty
from poise.size import Size

from .broken import PENALTY


@pytest.mark.parametrize(
    ("wins", "losses", "chance"), [(0, 0, 1.0), (5, 0, 1 / 32), (3, 1, 5 / 16), (2, 2, 11 / 16)]
)
def test_the_sign_test_counts_tosses_of_a_fair_coin(wins: int, losses: int, chance: float) -> None:
    assert lottery.sign_test(wins, losses) == pytest.approx(chance)


def training(swd: float | None, variety: float = 1.0) -> dict[str, object]:
    return {"swd": swd, "variety": variety}


def test_what_collapsed_or_is_not_finite_does_not_count_however_near_it_is() -> None:
    found = [
        {"gan": training(90.0), "wgan-gp": training(90.0, variety=0.1)},
        {"gan": training(None), "wgan-gp": training(99.0)},
        {"gan": training(50.0), "wgan-gp": training(50.0)},
        {"gan": training(101.0), "wgan-gp": training(200.0)},
    ]
    assert lottery.table(found, 100.0) == [1, 1, 1, 1]


@pytest.mark.parametrize("size", [Size(8, 8), Size(16, 16)])
def test_every_architecture_makes_images_and_scores_that_a_penalty_can_be_had_of(
    size: Size,
) -> None:
    for index in range(8):
        networks = drawn(index, 0).for_penalty()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            g, d = networks.generator(size, 3), networks.critic(size, 3)
            fake = g(torch.randn(2, networks.latent)).detach()
            assert fake.shape == (2, 3, *size)
            assert not any(isinstance(module, _BatchNorm) for module in d.modules())
            assert gradient_penalty(d, fake, fake, torch.rand(2)).isfinite()


def test_an_architecture_is_a_function_of_its_number_and_the_seed() -> None:
    first = [drawn(k, 0) for k in range(20)]
    assert first == [drawn(k, 0) for k in range(20)]
    assert len(set(first)) == 20
    assert not set(first) & {drawn(k, 1) for k in range(20)}


def shorter(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Result]:
    """The quick scale where the standard GAN is taken to fail and is not trained."""
    quick = replace(lottery.SIZES["quick"], methods=("wgan-gp",))
    monkeypatch.setitem(lottery.SIZES, "quick", quick)
    missed = {"swd": None, "variety": 0.0, "verdict": "diverging", "tiles": ""}
    table = lottery.table
    monkeypatch.setattr(
        lottery,
        "table",
        lambda found, goal: table([each | {"gan": missed} for each in found], goal),
    )
    return lambda: lottery.CLAIM.run("quick", 0, Pieces())


def test_the_claim_fails_where_the_penalty_has_the_wrong_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = shorter(monkeypatch)
    assert run().passed

    def reversed_penalty(
        critic: nn.Module, x: Tensor, fake: Tensor, eps: Tensor, **_: object
    ) -> Tensor:
        return -gradient_penalty(critic, x, fake, eps)

    monkeypatch.setattr(PENALTY, reversed_penalty)
    assert not run().passed


def test_the_quick_scale_fails_where_the_standard_gan_works_as_well() -> None:
    works = training(90.0) | {"verdict": "learning", "tiles": ""}
    missed = works | {"swd": 200.0}
    for gan, passed in ((missed, True), (works, False)):
        found = [{"gan": gan, "wgan-gp": works}] * 2
        result = lottery.judged("quick", 20.0, {"middle": 100.0}, lottery.HARD, found)
        assert result.passed == passed


def test_networks_for_a_penalty_differ_in_nothing_but_the_critic_norm() -> None:
    batch = next(net for net in (drawn(k, 0) for k in range(20)) if net.d.norm == "batch")
    fitting = batch.for_penalty()
    assert fitting.g == batch.g
    assert fitting.d == replace(batch.d, norm="layer")
    assert RandomNetworks(batch.g, fitting.d).for_penalty() == fitting
