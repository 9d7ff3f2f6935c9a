from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from poise.claims import saturation
from poise.claims.points import POINT
from poise.methods import GAN

from .broken import PENALTY, norm_over_the_batch, unclip
from .rerun import kept_whole, rerun


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing has broken."""
    return kept_whole(saturation.CLAIM, tmp_path_factory.mktemp("whole"))


def other_loss(method: GAN) -> GAN:
    return replace(method, saturating=not method.saturating)


def test_no_clipped_network_of_this_shape_is_steeper_than_the_bound() -> None:
    critic = saturation.NETWORKS.critic(POINT, 1)
    for weights in critic.parameters():
        nn.init.constant_(weights, saturation.CLIP)  # every path through the network is open
    x = torch.tensor([0.0, 0.5], requires_grad=True)
    (slope,) = torch.autograd.grad(critic(saturation.on_the_line(x)).sum(), x)
    assert slope.tolist() == pytest.approx([saturation.BOUND] * 2, rel=1e-5)


def test_the_claim_passes_where_nothing_is_broken(whole: Path, tmp_path: Path) -> None:
    found = rerun(saturation.CLAIM, whole, tmp_path, [])
    assert found.passed, found.because


def test_the_claim_fails_where_the_saturating_loss_is_not_what_the_generator_gets(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The method's own loss with its two branches exchanged.
    step = GAN.step
    monkeypatch.setattr(GAN, "step", lambda self, *with_: step(other_loss(self), *with_))
    assert not rerun(saturation.CLAIM, whole, tmp_path, ["gan"]).passed


def test_the_claim_fails_where_clipping_does_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unclip(monkeypatch)
    assert not rerun(saturation.CLAIM, whole, tmp_path, ["wgan"]).passed


def test_the_claim_fails_where_the_norm_is_taken_over_the_batch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PENALTY, norm_over_the_batch)
    assert not rerun(saturation.CLAIM, whole, tmp_path, ["wgan-gp"]).passed
