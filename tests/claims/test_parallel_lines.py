from __future__ import annotations

from pathlib import Path

import pytest
from torch import Tensor

from poise.claims.parallel_lines import CLAIM, LOG_2
from poise.players import losses

from .broken import PENALTY, norm_over_the_batch
from .rerun import kept_whole, rerun


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kept_whole(CLAIM, tmp_path_factory.mktemp("parallel-lines"))


def test_the_claim_fails_where_the_norm_is_taken_over_the_batch(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rerun(CLAIM, whole, tmp_path, ()).passed
    monkeypatch.setattr(PENALTY, norm_over_the_batch)
    assert not rerun(CLAIM, whole, tmp_path, {"wgan-gp"}).passed


@pytest.mark.parametrize("always", [0.0, LOG_2])
def test_the_claim_fails_where_a_discriminator_says_the_same_of_all_lines(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, always: float
) -> None:
    def same(distance: Tensor, loss_g: Tensor) -> object:
        return losses(distance=distance.detach() * 0 + always, loss_g=loss_g)

    monkeypatch.setattr("poise.methods.gan.losses", same)
    assert not rerun(CLAIM, whole, tmp_path, {"gan"}).passed
