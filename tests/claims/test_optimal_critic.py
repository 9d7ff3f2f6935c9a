from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from poise.claims import optimal_critic
from poise.claims.optimal_critic import DIMENSIONS, SHIFT, Shifted, curves, directions_of
from poise.methods import GAN
from poise.players import Losses

from .broken import PENALTY, norm_over_the_batch
from .rerun import kept_whole, rerun


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing has broken."""
    return kept_whole(optimal_critic.CLAIM, tmp_path_factory.mktemp("whole"))


def test_a_1_lipschitz_function_sees_all_of_the_shifts_so_the_true_gradient_is_exact() -> None:
    """f = <u_i, x - c_i> near cluster i: no transport costs less than it sees."""
    u, c = directions_of(0), optimal_critic.centres()
    noise = torch.Generator().manual_seed(0)
    x = optimal_critic.reals(400, noise)
    z = torch.randn(400, 1 + DIMENSIONS, generator=noise)
    fake = Shifted(u)(z).detach().flatten(1)

    def f(points: Tensor) -> Tensor:
        near = torch.cdist(points, c).argmin(1)
        return ((points - c[near]) * u[near]).sum(1)

    both = torch.cat([x, fake])
    apart, rise = torch.cdist(both, both), (f(both)[:, None] - f(both)).abs()
    assert (rise <= apart + 1e-3).all()  # cdist is off by so much
    assert (f(fake).mean() - f(x).mean()).item() == pytest.approx(SHIFT, rel=0.01)


def test_curves_of_gradients_that_are_true_but_for_their_length_are_told_apart_by_noise() -> None:
    true = torch.ones(4) / 8  # of length 1/4
    gradients = torch.stack([true * 4, true * 12]).view(2, 1, 4)  # lengths 1 and 3
    found = curves(gradients, true)
    assert found["cosine"] == pytest.approx([1.0])
    assert found["length"] == pytest.approx([2.0])
    assert found["noise"] == pytest.approx([2**0.5], rel=1e-4)  # deviation of 1 and 3, with n - 1


def test_the_claim_passes_where_nothing_is_broken(whole: Path, tmp_path: Path) -> None:
    found = rerun(optimal_critic.CLAIM, whole, tmp_path, [])
    assert found.passed, found.because


def test_the_claim_fails_where_the_norm_is_taken_over_the_batch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PENALTY, norm_over_the_batch)
    assert not rerun(optimal_critic.CLAIM, whole, tmp_path, ["wgan-gp"]).passed


def test_the_claim_fails_where_a_saturating_gan_descends_on_the_other_loss(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GAN.step

    def other(self: GAN, *game: Any) -> Losses:
        return step(replace(self, saturating=not self.saturating), *game)

    monkeypatch.setattr(GAN, "step", other)
    assert not rerun(optimal_critic.CLAIM, whole, tmp_path, ["saturating"]).passed
