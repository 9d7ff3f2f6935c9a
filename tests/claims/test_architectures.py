from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from poise.claims import architectures
from poise.claims.architectures import GENERATORS, GOAL, VARIETY, against
from poise.claims.images import image_set
from poise.claims.trainings import floor_of, reached
from poise.networks import DCGAN

from .broken import PENALTY, no_penalty


def swd_of(tmp_path: Path, *generators: str) -> list[dict[str, Any]]:
    """What WGAN-GP comes to with these generators at quick scale, and the floor first."""
    torch.set_num_threads(1)
    sizes = architectures.SIZES["quick"]
    with image_set("shapes", sizes.options, tmp_path) as prepared:
        found = [
            architectures.trained(prepared, "wgan-gp", generator, 0, sizes)
            for generator in generators
        ]
        return [{"swd": floor_of(prepared, sizes.measured)}, *found]


@pytest.mark.slow
def test_a_generator_without_batch_norm_works_and_without_the_penalty_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor, best, plain = swd_of(tmp_path, "DCGAN", "no batch norm")
    goal = floor["swd"] + GOAL * (best["swd"] - floor["swd"])
    assert reached(plain, goal, VARIETY)
    monkeypatch.setattr(PENALTY, no_penalty)
    _, plain = swd_of(tmp_path, "no batch norm")
    assert not reached(plain, goal, VARIETY)


@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("method", architectures.METHODS)
def test_every_generator_meets_the_same_critic(method: str, generator: str) -> None:
    """That of a DCGAN, which has batch norm but where a penalty forbids it."""
    networks: Any = against(method, GENERATORS[generator]).networks
    assert networks.first is GENERATORS[generator]
    norm: Any = "none" if method == "wgan-gp" else "batch"
    assert networks.second == DCGAN(architectures.WIDTH, critic_norm=norm)
