"""What is measured while a run is trained: right, exact after a resume, and cheap."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import poise
from poise import measuring as measuring_module
from poise.build import make_players
from poise.config import Config
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.errors import OptionError, RunError
from poise.measuring import Measuring, planned
from poise.methods import METHODS
from poise.metrics.ms_ssim import diversity
from poise.metrics.swd import sliced_wasserstein
from poise.metrics.variety import dimension
from poise.pictures import to_uint8
from poise.run import Run

from .helpers import go_on, last_bits, log_of, tiny, trained_run

EVERY = {"measure_every": 160, "measure_images": 64}  # images


def measured(config: Config, **changes: Any) -> Config:
    """The configuration with measurements."""
    return replace(config, chores=replace(config.chores, **(EVERY | changes)))


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """600 shapes of 16x16, of which 30 are held out. Only to be read."""
    out = tmp_path_factory.mktemp("sets") / "larger.poise"
    return prepare("shapes", out, PrepareOptions(size="16", limit=600), workers=1)


class Fixed(nn.Module):
    """A generator of the same images, whatever its latents."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.images = nn.Parameter(images)

    def forward(self, z: Tensor) -> Tensor:
        return self.images[torch.arange(len(z)) % len(self.images)]


def as_images(pixels: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2) / 127.5 - 1


def test_a_critic_that_sees_how_much_a_batch_varies_sees_batches_of_one_size(
    larger: Prepared,
) -> None:
    """30 held-out images beside 256 that it knows: each in batches of 28, none left over."""
    config = measured(tiny(larger))
    players, seen = make_players(config), []

    class Watched(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return x.flatten(1).mean(1)

    players.critic = Watched()
    assert "overfit" in Measuring(config, larger).look(players)
    assert set(seen) == {28}
    assert len(seen) == 9 + 1 + 9  # of known, held-out and drawn images


def test_samples_that_are_the_images_have_distance_0_and_all_variety(larger: Prepared) -> None:
    config = measured(tiny(larger))
    players, watching = make_players(config), Measuring(config, larger)
    spread = np.linspace(0, len(larger.training) - 1, 64).astype(np.int64)
    reals = larger.gather(larger.training[spread])
    # By 16, as they are drawn: each call gives the first ones again.
    players.average = Fixed(as_images(reals[:16]))
    players.generator = Fixed(as_images(reals[:16]))
    found = watching.look(players)
    assert found["swd"] > 0, "64 images against 16 of them, 4 times each"
    watching._reals = reals[:16]
    watching.n = 16
    assert watching.look(players)["swd"] == 0
    assert found["similarity_reals"] == pytest.approx(diversity(reals[:64]).similarity, rel=1e-3)


def test_the_distance_and_the_similarity_are_those_of_their_modules(larger: Prepared) -> None:
    config = measured(tiny(larger))
    players, watching = make_players(config), Measuring(config, larger)
    found = watching.look(players)
    with torch.no_grad():
        fakes = to_uint8(players.average(players.space.fixed(64, 0)))
    assert found["swd"] == pytest.approx(sliced_wasserstein(watching._reals, fakes).mean, rel=1e-3)
    assert found["similarity"] == pytest.approx(diversity(fakes).similarity, rel=1e-3)


def test_variety_falls_with_the_ways_in_which_images_differ(larger: Prepared) -> None:
    config = measured(tiny(larger))
    players, watching = make_players(config), Measuring(config, larger)
    images = as_images(larger.gather(larger.training[:64]))
    found = []
    for kept in (16, 8, 4, 2, 1):
        players.generator = Fixed(images[:kept])
        found.append(watching.glance(players)["variety"])
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.3
    assert found[-1] == 0


def test_dimension_is_that_of_the_latents_a_generator_heeds_and_of_its_images(
    larger: Prepared,
) -> None:
    config = measured(tiny(larger))
    players, watching = make_players(config), Measuring(config, larger)
    whole = watching.look(players)
    assert whole["dimension_reals"] == pytest.approx(dimension(watching._reals), rel=1e-3)
    assert whole["dimension"] > 6, "a generator that has learned nothing yet heeds all"
    heeded = torch.zeros_like(players.space.fixed(1, 0))
    heeded[:, :2] = 4  # so far apart that neighbours differ by more than the rounding
    players.average.register_forward_pre_hook(lambda module, args: (args[0] * heeded,))
    assert watching.look(players)["dimension"] < 3.5


class ByHeart(nn.Module):
    """A critic that knows some images and finds nothing else real."""

    def __init__(self, known: Tensor, noise: float) -> None:
        super().__init__()
        self.known, self.noise = nn.Parameter(known.flatten(1)), noise

    def forward(self, x: Tensor) -> Tensor:
        exact = "donot_use_mm_for_euclid_dist"
        near = torch.cdist(x.flatten(1), self.known, compute_mode=exact).amin(1) < 1e-3
        return near.float() + self.noise * x.mean((1, 2, 3))


def test_a_critic_that_knows_its_images_by_heart_is_found_and_one_that_does_not_is_not(
    larger: Prepared,
) -> None:
    config = measured(tiny(larger))
    players, watching = make_players(config), Measuring(config, larger)
    known = as_images(larger.gather(larger.training))
    players.critic = ByHeart(known, 0.1)
    found = watching.look(players)
    assert found["overfit"] > 0.5
    assert found["overfit_z"] > 10
    players.critic = ByHeart(known[:0].new_full((1, *known.shape[1:]), 9.0), 0.1)
    assert abs(watching.look(players)["overfit_z"]) < 3


def test_too_few_held_out_images_say_nothing_of_the_critic(shapes: Prepared) -> None:
    config = measured(tiny(shapes))  # 64 images, of which 3 are held out
    assert "overfit" not in Measuring(config, shapes).look(make_players(config))


@pytest.mark.parametrize("method", METHODS)
def test_measuring_changes_no_bit_of_the_training(
    method: str, shapes: Prepared, tmp_path: Path
) -> None:
    plain = trained_run(tmp_path / "plain", tiny(shapes, method))
    watched = trained_run(tmp_path / "watched", measured(tiny(shapes, method)))
    assert last_bits(plain) == last_bits(watched)
    assert log_of(plain).splitlines()[0] == log_of(watched).splitlines()[0]
    assert len(watched.measures()) == 4
    assert all(math.isfinite(v) for line in watched.measures() for v in line.values())


def test_of_a_run_that_grows_the_best_is_of_the_last_phase(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of a lower level, enlarged, may well be nearer: nobody wants them as the best."""
    values = {0.0: [1.0, 1.5], 1.0: [8.0, 9.0, 7.0, 7.0]}

    class Scripted(Measuring):
        def look(self, players: Any) -> dict[str, float]:
            stage = super().look(players)["stage"]
            of_stage = values.get(stage, [])
            return {"swd": of_stage.pop(0) if of_stage else 10.0, "stage": stage}

    monkeypatch.setattr("poise.keeper.Measuring", Scripted)
    config = measured(tiny(shapes, "progressive"), measure_every=32)
    run = trained_run(tmp_path / "run", config)
    stages = {line["drawn"]: line["stage"] for line in run.measures()}
    assert 0 in stages.values()
    assert any(0 < stage < 1 for stage in stages.values())
    grown = [drawn for drawn, stage in stages.items() if stage == 1]
    assert run.best.drawn() == [grown[2]], "7.0, the lowest of those at the full size"
    assert run.best.facts(grown[2])["value"] == 7.0
    assert run.best.facts(grown[2])["stage"] == 1.0
    assert poise.load(run.path).size == (8, 8)


@pytest.mark.parametrize("method", METHODS)
def test_measures_and_the_best_checkpoint_are_the_same_after_a_resume(
    method: str, shapes: Prepared, tmp_path: Path
) -> None:
    config = measured(tiny(shapes, method))
    whole = trained_run(tmp_path / "whole", config)
    cut = trained_run(tmp_path / "cut", replace(config, recipe=replace(config.recipe, images=400)))
    go_on(cut.path, images=640)
    assert whole.measures() == cut.measures()
    assert log_of(whole) == log_of(cut), "with the verdict in each line"
    assert whole.best.drawn() == cut.best.drawn()
    best = whole.best.drawn()[0]
    assert whole.best.load(best).tensors.keys() == cut.best.load(best).tensors.keys()


def test_the_checkpoint_with_the_lowest_measure_is_kept_and_is_what_loading_takes(
    shapes: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = iter([5.0, 3.0, 4.0, 3.0])

    class Scripted(Measuring):
        def look(self, players: Any) -> dict[str, float]:
            return {"swd": next(values)}

    monkeypatch.setattr("poise.keeper.Measuring", Scripted)
    run = trained_run(tmp_path / "run", measured(tiny(shapes)))
    assert run.best.drawn() == [320], "the first of two that are as low"
    assert run.best.facts(320)["value"] == 3.0
    assert poise.load(run.path).drawn == 320
    assert poise.load(run.path, at="last").drawn == 640
    assert poise.load(run.path, at=320).drawn == 320
    assert poise.load(run.path, at="416").drawn == 416
    with pytest.raises(RunError, match=r"after 100 images\. There are: 320, 416, 608, 640"):
        poise.load(run.path, at=100)
    with pytest.raises(OptionError, match="best, last or a number of images, got newest"):
        poise.load(run.path, at="newest")
    for file in run.best.folder.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.warns(RuntimeWarning, match="checkpoint 320 is damaged"):
        assert poise.load(run.path).drawn == 640


@pytest.mark.parametrize(
    ("each", "speed", "n", "looks"),
    [
        (1e-4, 10, 512, 20),  # 640 images in 64 s: 1.9 s for 20 looks of .05 s
        (1e-4, 100, 64, 20),
        (1e-4, 1_000, 64, 2),
        (1.0, 1_000, 64, 1),
        (0.01, 0.01, 1024, 107),  # 64,000 s: one look at least in each 600 s, of 10 s
    ],
)
def test_a_plan_keeps_to_a_twentieth_of_the_time_where_even_one_look_fits(
    each: float,
    speed: float,
    n: int,
    looks: int,
    shapes: Prepared,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measuring_module, "_seconds_of", lambda work: 64 * each)
    monkeypatch.setattr(measuring_module, "find_spec", lambda name: None)
    config = tiny(shapes)
    chosen = planned(config, shapes, speed).chores
    assert (chosen.measure_images, chosen.measure_by) == (n, "swd")
    assert chosen.measure_every == 640 // looks
    if looks > 1:
        assert looks * n * each <= 0.03 * 640 / speed + 1e-9
    given = replace(config, chores=replace(config.chores, measure_every=7, measure_images=99))
    kept = planned(given, shapes, speed).chores
    assert (kept.measure_every, kept.measure_images) == (7, 99), "what was chosen stays"


def test_features_are_measured_where_there_is_time_for_them(
    larger: Prepared, tmp_path: Path
) -> None:
    config = tiny(larger, images=160)
    config = replace(config, chores=replace(config.chores, measure_by="frechet", measure_every=160))
    config = planned(config, larger, images_per_second=1e-3)
    assert config.chores.measure_images == 1024
    config = measured(config, measure_images=64)
    run = trained_run(tmp_path / "run", config)
    (line,) = run.measures()
    assert line["frechet"] > 0
    assert run.best.facts(160)["measure"] == "frechet"


def test_what_measuring_took_stands_in_the_events(shapes: Prepared, tmp_path: Path) -> None:
    began = time.monotonic()
    run = trained_run(tmp_path / "run", measured(tiny(shapes)))
    took = time.monotonic() - began
    lines = (run.path / "events.jsonl").read_text().splitlines()
    (done,) = [line for line in map(json.loads, lines) if line["event"] == "done"]
    assert 0 < done["measuring"] < done["seconds"] < took


def test_a_new_run_plans_its_measures(shapes: Prepared, tmp_path: Path) -> None:
    generator = poise.train(shapes.path, images=320, out=tmp_path / "run", threads=1)
    chores = Run.open(tmp_path / "run").config.chores
    assert None not in (chores.measure_every, chores.measure_images, chores.measure_by)
    assert generator.drawn == Run.open(tmp_path / "run").best.drawn()[0]


def test_features_of_too_few_images_are_refused_whatever_else_was_chosen(
    tmp_path: Path,
) -> None:
    few = prepare("shapes", tmp_path / "few.poise", PrepareOptions(size="8", limit=60), workers=1)
    config = measured(tiny(few), measure_by="frechet")
    with pytest.raises(OptionError, match="frechet needs 64 training images, got 5"):
        planned(config, few, images_per_second=1.0)
