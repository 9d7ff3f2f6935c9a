from __future__ import annotations

from pathlib import Path

import pytest
import torch

from poise.claims import curve
from poise.claims.correlation import rank_correlation
from poise.claims.images import image_set

from .broken import PENALTY, no_penalty


def follows(tmp_path: Path) -> float:
    """The correlation of WGAN-GP's estimate with the distance of its samples, at quick scale."""
    torch.set_num_threads(1)
    sizes = curve.SIZES["quick"]
    with image_set("shapes", sizes.options, tmp_path) as prepared:
        found = curve.read(prepared, "wgan-gp", "DCGAN", 0, sizes)
    skip = round(curve.SKIPPED * len(found["far"]))
    return rank_correlation(found["estimate"][skip:], found["far"][skip:])


@pytest.mark.slow
def test_the_estimate_follows_the_samples_and_without_its_penalty_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert follows(tmp_path) >= curve.FOLLOWS
    monkeypatch.setattr(PENALTY, no_penalty)
    assert follows(tmp_path) < curve.FOLLOWS


def test_a_training_that_breaks_off_and_an_estimate_that_never_moves_follow_nothing() -> None:
    falling = [4.0, 3.0, 2.0, 1.0]
    follows = {"estimate": falling, "far": falling}
    still = {"estimate": [0.7] * 4, "far": falling}
    broken = {"estimate": falling[:2], "far": falling[:2]}
    tiles = {"drawn": [1, 2, 3, 4], "tiles": []}
    names = {"wgan, DCGAN": follows, "wgan-gp, DCGAN": follows, "gan, DCGAN": still}
    found = {name: each | tiles for name, each in names.items()}
    right = curve.judged(found)
    assert right.numbers["gan, DCGAN, correlation"] == 0
    assert right.passed
    result = curve.judged(found | {"wgan-gp, DCGAN": broken | tiles})
    assert result.numbers["wgan-gp, DCGAN, correlation"] == 0
    assert not result.passed


@pytest.mark.parametrize("far", [[1.0, 2.0, 3.0, 4.0], [2.0, 2.0, 2.0, 2.0], [4.0, 3.0]])
def test_an_estimate_is_not_put_to_the_test_where_samples_do_not_get_better(
    far: list[float],
) -> None:
    drawn, falling = [1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]
    follows = {"drawn": drawn, "estimate": falling, "far": falling}
    gan = {"drawn": drawn, "estimate": [0.7] * 4, "far": far}
    result = curve.judged({"wgan, DCGAN": follows, "gan, DCGAN": gan})
    assert not result.passed
    assert result.because.endswith("nothing is tested: gan, DCGAN.")
