"""A run goes on with the images it was started with, wherever they are, and never with others."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from poise import ranks
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared
from poise.errors import RunError
from poise.methods import GAN
from poise.own_images import same_images
from poise.run import Run
from poise.session import TrainOptions, start
from poise.watcher import Watcher

from .helpers import PATIENCE, Told, free_port, last_bits, poise, tiny_recipe


def run_on(trained: Run, path: Path, limit: int) -> Run:
    """A run like `trained` whose set is gone and is made again of so many shapes."""
    options = replace(trained.config.data.options, size="8", limit=limit)
    gone = path.with_name(f"{path.name}.poise")
    data = replace(trained.config.data, prepared=str(gone), options=options)
    return Run.create(path, replace(trained.config, data=data))


def test_a_prepared_set_that_is_gone_is_made_again(trained: Run, tmp_path: Path) -> None:
    run = run_on(trained, tmp_path / "run", 64)
    assert poise("train", run.path) == 0
    assert last_bits(run) == last_bits(trained)


def test_a_run_never_goes_on_with_other_images(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_on(trained, tmp_path / "run", 65)
    assert poise("train", run.path) == 2
    assert "other images than the run was started with" in capsys.readouterr().err
    assert run.checkpoints.drawn() == []


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Eight images, each of one colour."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for shade in range(8):
        Image.new("RGB", (8, 8), (30 * shade, 0, 99)).save(folder / f"{shade}.png")
    return folder


@pytest.fixture
def run(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on them that was not trained yet."""
    monkeypatch.chdir(tmp_path)
    return started(photos, tmp_path / "run")


def started(source: Path, out: Path) -> Run:
    options = TrainOptions(images=64, threads=1, out=out)
    options = replace(options, data=replace(options.data, size="8"))
    tiny = replace(tiny_recipe(images=64), method=GAN(batch=8))
    return start(str(source), tiny, options, Told())


def without_set(run: Run) -> Path:
    """Where the set of the run was."""
    shutil.rmtree(run.config.data.prepared)
    return Path(run.config.data.prepared)


def test_once_images_that_were_taken_away_are_back_the_run_goes_on(run: Run, photos: Path) -> None:
    prepared = without_set(run)
    away = (photos / "3.png").rename(photos.parent / "away.png")
    assert poise("train", run.path) == 2
    assert not prepared.exists()
    away.rename(photos / "3.png")
    assert poise("train", run.path) == 0


def test_images_that_moved_are_asked_for_and_checked(
    run: Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without_set(run)
    moved, other = photos.rename(tmp_path / "elsewhere"), tmp_path / "other"
    assert poise("train", run.path) == 2
    assert "poise train RUN --images-at PATH" in capsys.readouterr().err
    shutil.copytree(moved, other)
    (other / "3.png").unlink()
    assert poise("train", run.path, "--images-at", other) == 2
    assert "other images than the run was started with" in capsys.readouterr().err
    assert Run.open(run.path).config.data.source == str(photos)
    assert poise("train", run.path, "--images-at", moved) == 0
    assert Run.open(run.path).config.data.source == str(moved)


def test_a_prepared_set_that_moved_is_taken_where_it_is_now(run: Run, tmp_path: Path) -> None:
    moved = Path(run.config.data.prepared).rename(tmp_path / "moved.poise")
    assert poise("train", run.path, "--images-at", moved) == 0
    assert Run.open(run.path).config.data.prepared == str(moved)
    assert len(Prepared.open(moved)) == 8


def test_a_set_that_was_named_and_holds_other_images_is_left_alone(
    trained: Run, tmp_path: Path
) -> None:
    data = replace(run_on(trained, tmp_path / "run", 65).config.data, fingerprint="")
    with pytest.raises(RunError):
        same_images(data, Watcher())
    data = replace(data, source=trained.config.data.prepared)
    with pytest.raises(RunError):
        same_images(data, Watcher())
    assert Path(trained.config.data.prepared).is_dir()


# --- the same images, of which others are held out ------------------------------------------------


def prepared_at(path: Path, photos: Path, holdout: float) -> Prepared:
    """The photos at this path, instead of what is there."""
    shutil.rmtree(path, ignore_errors=True)
    return prepare(photos, path, PrepareOptions(size="8", holdout=holdout), workers=1)


def as_older_runs(run: Run) -> None:
    """Without the digest of what is held out."""
    config = json.loads((run.path / "config.json").read_text())
    del config["data"]["held_out"]
    (run.path / "config.json").write_text(json.dumps(config))


def test_a_run_never_trains_on_what_was_held_out_from_it(
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    named = tmp_path / "named.poise"
    before = prepared_at(named, photos, 0.4)
    run = started(named, tmp_path / "run")
    after = prepared_at(named, photos, 0.2)
    assert after.fingerprint == before.fingerprint
    assert poise("train", run.path) == 2
    told = capsys.readouterr().err
    assert f"{named} holds out other images than when the run was started" in told
    assert "--images-at PATH" in told
    assert run.checkpoints.drawn() == []
    old = prepared_at(tmp_path / "old.poise", photos, 0.4)
    assert poise("train", run.path, "--images-at", old.path) == 0


def test_an_older_run_knows_what_was_held_out_by_the_share(
    run: Run, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    as_older_runs(run)
    where = Path(run.config.data.prepared)
    prepared_at(where, photos, 0.4)
    assert poise("train", run.path) == 2
    assert f"{where} holds out other images" in capsys.readouterr().err
    prepared_at(where, photos, run.config.data.options.holdout)
    assert poise("train", run.path) == 0


def test_an_older_run_on_a_set_that_was_named_goes_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own options are the defaults, whatever the set was prepared with."""
    monkeypatch.chdir(tmp_path)
    run = started(prepared_at(tmp_path / "named.poise", photos, 0.4).path, tmp_path / "run")
    as_older_runs(run)
    assert poise("train", run.path) == 0


def test_two_runs_from_which_others_were_held_out_have_no_set_in_common(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = replace(trained.config.data, held_out="0" * 64)
    twin = Run.open(shutil.copytree(trained.path, tmp_path / "twin"))
    config = replace(twin.config, data=data).to_json()
    (twin.path / "config.json").write_text(json.dumps(config))
    assert poise("evaluate", trained.path, twin.path, "--measures", "swd", "-n", "4") == 2
    assert "so no one set is right for both" in capsys.readouterr().err
    as_older_runs(twin)
    words = ("--measures", "swd", "-n", "4", "--out", tmp_path / "a.json")
    assert poise("evaluate", trained.path, twin.path, *words) == 0


# --- several processes ----------------------------------------------------------------------------


def set_of_one_rank(path: Path, rank: int, port: int) -> None:
    """What one process of torchrun does to get at its images."""
    os.environ.update(RANK=str(rank), WORLD_SIZE="2")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    ranks.join("cpu")
    assert len(same_images(Run.open(path).config.data, Watcher())) == 64
    ranks.leave()


def test_ranks_wait_for_the_first_to_make_a_set_again(trained: Run, tmp_path: Path) -> None:
    run, port = run_on(trained, tmp_path / "run", 64), free_port()
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=set_of_one_rank, args=(run.path, rank, port)) for rank in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(PATIENCE)
        assert process.exitcode == 0
