from __future__ import annotations

import math

import pytest
import torch

from poise.claims import gradients
from poise.claims.claim import Pieces, Result
from poise.claims.points import toy_players
from poise.config import Recipe
from poise.methods import WGANGP
from poise.networks import MLP
from poise.optim import Adam

from .broken import PENALTY, no_penalty, unclip


def run_small(monkeypatch: pytest.MonkeyPatch) -> Result:
    """One bound in place of three."""
    torch.set_num_threads(1)
    monkeypatch.setattr(gradients, "CLIPS", (0.1,))
    monkeypatch.setitem(gradients.UPDATES, "quick", 80)
    return gradients.CLAIM.run("quick", 0, Pieces())


def test_the_norm_falls_by_the_factor_that_each_layer_has() -> None:
    recipe = Recipe(WGANGP(), MLP(0.01, latent=2, layers=6), Adam(), 1)
    players = toy_players(recipe, 0, still=lambda z: z)
    for layer in gradients.linear(players.critic):
        layer.bias.data.fill_(10)  # so that ReLU lets everything through
        layer.weight.data.zero_().fill_diagonal_(0.5)
    norms = gradients.gradient_norms(players, 0)
    assert len(norms) == 5
    assert gradients.slope(norms) == pytest.approx(math.log10(0.5), abs=1e-6)


def test_the_claim_holds_and_fails_where_clipping_clips_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run_small(monkeypatch).passed
    unclip(monkeypatch)
    assert not run_small(monkeypatch).passed


def test_the_claim_fails_where_the_penalty_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PENALTY, no_penalty)
    assert not run_small(monkeypatch).passed
