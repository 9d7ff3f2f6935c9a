"""`poise sample`: where its pictures go."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from poise import samples
from poise.data.prepared import Prepared
from poise.errors import RunError
from poise.generator import load
from poise.pictures import png, to_uint8
from poise.run import Run
from poise.size import Size

from .helpers import Told, poise, tiny, trained_run


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_png_gets_a_grid_and_a_directory_single_images(trained: Run, tmp_path: Path) -> None:
    assert poise("sample", trained.path, "-n", "4", "--out", tmp_path / "grid.png") == 0
    assert size_of(tmp_path / "grid.png") == (512, 512)  # 2x2 of 8x8, enlarged 32 times
    assert poise("sample", trained.path, "-n", "3", "--out", tmp_path / "singles") == 0
    assert [size_of(file) for file in (tmp_path / "singles").iterdir()] == [(8, 8)] * 3


def test_samples_are_a_function_of_run_number_and_seed(trained: Run, tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert (
            poise("sample", trained.path, "-n", "9", "--seed", seed, "--out", tmp_path / name) == 0
        )
    a, b, c = ([file.read_bytes() for file in sorted((tmp_path / n).iterdir())] for n in "abc")
    assert a == b
    assert a != c


def interrupted_at(call: int) -> Callable[[Any], bytes]:
    """Makes PNGs until Ctrl-C is pressed."""
    calls: list[object] = []

    def make(image: Any) -> bytes:
        calls.append(image)
        if len(calls) == call:
            raise KeyboardInterrupt
        return png(image)

    return make


def test_single_images_are_all_there_or_none_and_the_same_command_can_be_given_again(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "deep"
    words = ("sample", trained.path, "-n", "4", "--no-grid", "--out", deep / "singles")
    with monkeypatch.context() as pressed:
        pressed.setattr(samples, "png", interrupted_at(3))
        assert poise(*words) == 1
    assert list(deep.iterdir()) == []
    assert poise(*words) == 0
    (folder,) = deep.iterdir()
    assert {path.name for path in folder.iterdir()} == {f"00000{i}.png" for i in range(4)}
    assert folder.stat().st_mode == deep.stat().st_mode, "open to the same people"


def test_many_single_images_wait_for_the_disk_once(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[object] = []
    for name in ("sync", "fsync"):
        monkeypatch.setattr(os, name, lambda *file: waits.append(file))
    assert poise("sample", trained.path, "-n", "30", "--no-grid", "--out", tmp_path / "a") == 0
    assert len(list((tmp_path / "a").iterdir())) == 30
    assert len(waits) == 2, "all that was written, and the name"


def test_single_images_join_what_lies_in_a_folder(trained: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert poise("sample", trained.path, "-n", "2", "--no-grid", "--out", tmp_path) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"notes.txt", "000000.png", "000001.png"}
    assert not list(tmp_path.parent.glob("*.part"))


@pytest.mark.parametrize("words", [["--out", "x.jpg"], ["--no-grid", "--out", "x.png"]])
def test_another_kind_of_file_is_refused(
    words: list[str],
    trained: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert poise("sample", trained.path, *words) == 2
    assert "--out is a .png for a grid or a directory for single images" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


# --- runs that grow -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grown(shapes: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A tiny run that grew from 4x4 to 8x8."""
    return trained_run(tmp_path_factory.mktemp("runs") / "grown", tiny(shapes, "progressive"))


@pytest.fixture(scope="module")
def growing(shapes: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One that stands in the middle of that."""
    config = tiny(shapes, "progressive", images=144)
    return trained_run(tmp_path_factory.mktemp("runs") / "growing", config)


def test_a_run_that_grew_shows_every_level_in_a_row_of_its_own(grown: Run, tmp_path: Path) -> None:
    out = tmp_path / "levels.png"
    assert poise("sample", grown.path, "--stage", "-n", "6", "--out", out) == 0
    with Image.open(out) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    factor = pixels.shape[1] // (6 * 8)
    assert pixels.shape == (2 * 8 * factor, 6 * 8 * factor, 3)
    small = pixels[::factor, ::factor]
    coarse = small[:8].reshape(4, 2, 24, 2, 3)
    assert (coarse == coarse[:, :1, :, :1]).all()  # each pixel of 4x4 is shown as 2x2
    generator = load(grown.path)
    fine = to_uint8(generator.sample(6, seed=0)).transpose(1, 0, 2, 3).reshape(8, 48, 3)
    assert (small[8:] == fine).all()


def test_a_row_has_16_images_at_most_and_the_runs_own_file_a_name_of_its_own(grown: Run) -> None:
    assert poise("sample", grown.path, "--stage") == 0
    assert (grown.path / "samples" / "000000640-n16-seed0-stages.png").is_file()


def test_a_run_whose_method_has_no_stages_is_refused_when_they_are_asked_for(
    trained: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert poise("sample", trained.path, "--stage") == 2
    assert capsys.readouterr().err == (
        f"poise: {trained.path} was trained by wgan-gp, which has no stages. "
        "--stage is for runs of --method progressive.\n"
    )
    generator = load(trained.path)
    with pytest.raises(RunError, match="this run's generator has no levels"):
        generator.at_every_level(generator.latents(1))


def test_a_run_in_the_middle_of_a_fade_gives_images_of_the_level_it_fades_to(growing: Run) -> None:
    generator = load(growing.path)
    network: Any = generator.network
    assert generator.drawn == 144
    assert (generator.size, network.stage.level) == (Size(8, 8), 1)
    assert 0 < network.stage.alpha < 1
    assert generator.sample(3).shape == (3, 3, 8, 8)
    early = generator.at_every_level(generator.latents(2))
    assert [image.shape[2:] for image in early] == [(4, 4), (8, 8)]
    assert 0 < network.stage.alpha < 1  # left as it was


def test_each_transition_stands_in_the_events_with_its_reason_and_is_said(
    shapes: Prepared, tmp_path: Path
) -> None:
    told = Told()
    run = trained_run(tmp_path / "run", tiny(shapes, "progressive"), told)
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    notes = [(event["drawn"], event["text"]) for event in events if event["event"] == "note"]
    assert notes == [(96, "Growing from 4x4 to 8x8, as scheduled.")]
    assert "At 96 images: Growing from 4x4 to 8x8, as scheduled." in told.said
    stages = {line["drawn"]: line["stage"] for line in run.history()}
    assert list(stages.values()) == sorted(stages.values())
    assert (min(stages.values()), max(stages.values())) == (0, 1)


def test_hours_plan_the_images_and_the_phases_of_a_run(
    shapes: Prepared, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*("--method", "progressive", "--maps", "32", "--widest", "6", "--width", "1"), "--out")
    assert (
        poise("train", shapes.path, "--hours", "0.001", "--threads", "1", *words, tmp_path / "r")
        == 0
    )
    run = Run.open(tmp_path / "r")
    rule: Any = run.config.recipe.method
    assert rule.fade == rule.settle == run.config.recipe.images // 6
    assert run.config.recipe.images > 64
    assert run.checkpoints.drawn()[-1] >= run.config.recipe.images
