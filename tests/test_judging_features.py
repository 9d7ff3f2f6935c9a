"""What the measures of features find among images that are known to be copies."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poise.bench import Bench
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.judging import measures_for, scores_of
from poise.metrics.sets import Images
from poise.run import Run
from poise.scores import Scores
from poise.subjects import RealSet, find_reals, generators, take_images
from poise.watcher import Watcher

from .helpers import poise
from .metrics.points import Corners

N = 40  # images of each kind


@pytest.fixture
def noise(tmp_path: Path) -> RealSet:
    """Images of noise, of which no two are alike, and none is like its mirror image."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 8, 8, 3), np.uint8)
    np.save(tmp_path / "noise.npy", pixels)
    options = PrepareOptions(size="8", holdout=0.4)
    prepared = prepare(tmp_path / "noise.npy", tmp_path / "noise.poise", options, workers=1)
    return RealSet(prepared, prepared.size, "noise")


def nearest(reals: RealSet, images: Images) -> tuple[Scores, Scores, str]:
    """What is found of these images, of the floor, and how it is told."""
    bench = Bench(reals, *reals.halves(N), 0, 64, Watcher(), Corners())
    (measure,), _ = measures_for(bench, ("nearest",), by_name=True)
    return scores_of(images, [measure]), scores_of(bench.other, [measure]), measure.text


def test_mirrored_copies_are_found_where_a_run_was_shown_mirror_images(noise: RealSet) -> None:
    numbers = noise.prepared.training[:N]
    copies = noise.prepared.gather(numbers)
    mirrored = RealSet(noise.prepared, noise.size, noise.given, mirror=True)
    for fakes in (copies, copies[:, :, ::-1]):
        found, floor, told = nearest(mirrored, fakes)
        assert found["copies"]["value"] == 1
        assert all(p["training"] == numbers[p["image"]] for p in found["copies"]["closest"])
        assert floor["copies"]["value"] < 0.1
        assert floor["nearest"]["value"] == pytest.approx(1, abs=0.2)
        assert "the nearer one of itself and its mirror image" in told
    found, _, told = nearest(noise, copies[:, :, ::-1])
    assert found["copies"]["value"] < 0.1
    assert "mirror" not in told


@pytest.mark.parametrize("packed", [False, True])
def test_the_closest_pairs_name_the_files_to_look_at(
    packed: bool, noise: RealSet, tmp_path: Path
) -> None:
    photos, numbers = tmp_path / "photos", noise.prepared.training[:N]
    (photos / "more").mkdir(parents=True)
    for number, image in zip(numbers, noise.prepared.gather(numbers), strict=True):
        Image.fromarray(image).save(photos / "more" / f"of {number}.png")
    (photos / "text.png").write_text("no image")
    if packed:
        shutil.make_archive(str(photos), "zip", photos)
    given = f"{photos}.zip" if packed else str(photos)
    subject, _ = take_images(given, noise, N, Watcher())
    bench = Bench(noise, *noise.halves(N), 0, 64, Watcher(), Corners())
    measures, _ = measures_for(bench, ("nearest",), by_name=True)
    closest = scores_of(subject.images, measures, subject.files)["copies"]["closest"]
    assert len(closest) == 5
    assert all(pair["file"] == f"more/of {pair['training']}.png" for pair in closest)


def test_a_report_names_the_files_to_look_at(noise: RealSet, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    images = noise.prepared.gather(noise.prepared.training[:N])
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "photos" / f"{i}.png")
    words = ("--reals", noise.prepared.path, "--measures", "nearest", "-n", "8")
    assert poise("evaluate", tmp_path / "photos", *words, "--out", tmp_path / "a.json") == 0
    (subject,) = json.loads((tmp_path / "a.json").read_text())["subjects"]
    for pair in subject["scores"]["copies"]["closest"]:
        original = noise.prepared.gather(np.array([pair["training"]]))[0]
        assert (images[int(Path(pair["file"]).stem)] == original).all()


def test_images_of_an_array_have_no_files(noise: RealSet, tmp_path: Path) -> None:
    for given in (tmp_path / "noise.npy", noise.prepared.path):
        subject, _ = take_images(str(given), noise, N, Watcher())
        assert (len(subject.images), subject.files) == (N, [])


@pytest.mark.parametrize("mirror", [False, True])
def test_reals_know_whether_a_run_was_shown_mirror_images(
    mirror: bool, trained: Run, tmp_path: Path
) -> None:
    run = Run.open(shutil.copytree(trained.path, tmp_path / "run"))
    names = [str(trained.path), str(run.path)]
    loaded = generators(names, "last", "cpu", Watcher())
    config = run.config.to_json()
    config["data"]["mirror"] = mirror
    (run.path / "config.json").write_text(json.dumps(config))
    for given in (None, trained.config.data.prepared):
        assert find_reals(names, loaded, given, None, Watcher()).mirror == mirror
