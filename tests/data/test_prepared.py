from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poise.data import shards
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared, is_prepared, shards_at_once
from poise.errors import DataError
from poise.size import Size, levels_of

from ..helpers import Process
from .photos import fill, tree

# n images, h height, w width, c channels


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Levels on both sides of 256 pixels."""
    folder = tmp_path_factory.mktemp("made")
    return prepare(
        fill(folder / "photos", 12, 200, 350), folder / "a.poise", PrepareOptions(size="160x288")
    )


@pytest.fixture
def copy(made: Prepared, tmp_path: Path) -> Path:
    shutil.copytree(made.path, tmp_path / "copy.poise")
    return tmp_path / "copy.poise"


def test_each_level_is_the_rounded_mean_of_the_one_above(made: Prepared) -> None:
    assert made.levels == levels_of(Size(160, 288))
    every = np.arange(len(made))
    above = made.gather(every)
    for level in made.levels[-2::-1]:
        here = made.gather(every, level)
        blocks = above.reshape(len(made), level.height, 2, level.width, 2, 3).astype(float)
        assert (here == np.floor(blocks.mean(axis=(2, 4)) + 0.5)).all()
        above = here


def test_images_come_in_the_order_that_was_asked_for(made: Prepared) -> None:
    every = made.gather(np.arange(12), Size(10, 18))
    wanted = np.array([3, 3, 11, 0])
    assert (made.gather(wanted, Size(10, 18)) == every[wanted]).all()


def test_every_image_is_for_training_or_held_out(made: Prepared) -> None:
    assert sorted([*made.training, *made.held_out]) == list(range(12))
    assert len(made.held_out) == 1
    assert made.training.dtype == made.held_out.dtype == np.int64


def test_a_copy_elsewhere_is_the_same_set(made: Prepared, copy: Path) -> None:
    moved = Prepared.open(copy)
    assert moved.fingerprint == made.fingerprint
    assert (moved.gather(np.arange(12)) == made.gather(np.arange(12))).all()
    assert str(copy) in moved.report


def test_a_whole_set_has_nothing_to_say(made: Prepared) -> None:
    assert made.check() == []


def test_check_finds_one_flipped_bit_in_any_file(copy: Path) -> None:
    prepared = Prepared.open(copy)
    rng = np.random.default_rng(0)
    for name in tree(copy):
        file = copy / name
        data = file.read_bytes()
        if name == "manifest.json" or not data:
            continue
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        assert prepared.check() == [f"{name} is not as it was written: its checksum differs"]
        file.write_bytes(data)
    assert prepared.check() == []


def test_check_finds_a_missing_file(copy: Path) -> None:
    prepared = Prepared.open(copy)
    (copy / "images.jsonl").unlink()
    assert prepared.check() == ["images.jsonl cannot be read: No such file or directory"]


@pytest.mark.parametrize("place", [0.1, 0.4, 0.7, 0.95])
def test_one_flipped_bit_in_the_manifest_is_found_on_opening(copy: Path, place: float) -> None:
    file = copy / "manifest.json"
    data = bytearray(file.read_bytes())
    data[int(place * len(data))] ^= 2
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"manifest.json is damaged|has format"):
        Prepared.open(copy)


@pytest.mark.parametrize("keep", [0, 1, 100])
def test_a_manifest_cut_short_is_damaged(copy: Path, keep: int) -> None:
    file = copy / "manifest.json"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"manifest.json is damaged. Prepare .* anew"):
        Prepared.open(copy)


def test_a_newer_format_is_named(copy: Path) -> None:
    file = copy / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(DataError, match=r"has format 99, this Poise reads format 1\. Update Poise"):
        Prepared.open(copy)


def test_a_directory_without_a_manifest_is_no_set(tmp_path: Path) -> None:
    assert not is_prepared(tmp_path)
    with pytest.raises(DataError, match="is not a prepared set: No such file"):
        Prepared.open(tmp_path)


@pytest.mark.parametrize("name", ["held_out.npy"])
@pytest.mark.parametrize("keep", [0, 60])
def test_a_file_cut_short_is_damage_not_a_traceback(copy: Path, name: str, keep: int) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:keep])
    with pytest.raises(DataError, match="is damaged"):
        Prepared.open(copy)


@pytest.mark.parametrize("level", [Size(10, 18), Size(160, 288)])
@pytest.mark.parametrize("keep", [0, 60])
def test_a_shard_cut_short_is_damage_not_a_traceback(copy: Path, level: Size, keep: int) -> None:
    for file in (copy / "levels" / str(level)).iterdir():
        file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DataError, match=f"at {level} is damaged"):
        Prepared.open(copy).gather(np.arange(12), level)


# --- few files may be open ------------------------------------------------------------------------


@pytest.fixture
def scattered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepared:
    """100 images, each in a shard of its own."""
    monkeypatch.setattr(shards, "SHARD_IMAGES", (1, 1))
    return prepare("shapes", tmp_path / "s.poise", PrepareOptions(size="8", limit=100), workers=1)


def with_files(most: int, work: Callable[[], None]) -> Callable[[], int]:
    """Work during which at most so many files may be open; to be done in a fork."""

    def limited() -> int:
        os.closerange(3, 20_000)  # what other tests have open
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        work()
        return 0

    return limited


def test_a_set_of_more_shards_than_files_may_be_open_is_read(scattered: Prepared) -> None:
    def read() -> None:
        prepared, every = Prepared.open(scattered.path), np.arange(100)
        assert (prepared.gather(every) == prepared.gather(every[::-1])[::-1]).all()

    assert Process(with_files(80, read)).wait() == (0, "")


def test_a_set_that_nobody_has_any_more_holds_no_file(scattered: Prepared) -> None:
    def read() -> None:
        for _ in range(3):
            Prepared.open(scattered.path).gather(np.arange(100))

    assert Process(with_files(80, read)).wait() == (0, "")


@pytest.mark.parametrize(
    ("files", "open_at_once"),
    [(resource.RLIM_INFINITY, 512), (20_000, 512), (1024, 512), (256, 128), (2, 1), (0, 1)],
)
def test_shards_take_half_of_the_files_that_may_be_open(
    files: int, open_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, resource.RLIM_INFINITY))
    assert shards_at_once() == open_at_once


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("refuser", ["io.open", "numpy.load"])
def test_too_many_open_files_are_not_called_damage(
    number: int, refuser: str, made: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    told = r"cannot be opened: Too many open files.*\. Allow more \(ulimit -n 4096\)"
    unread = Prepared.open(made.path)
    monkeypatch.setattr(refuser, refuse)
    with pytest.raises(DataError, match=told):
        Prepared.open(made.path)
    if refuser == "numpy.load":
        with pytest.raises(DataError, match="shard 0 of .*" + told):
            unread.gather(np.arange(1), Size(10, 18))


def test_the_manifest_lists_every_file(made: Prepared) -> None:
    listed = json.loads((made.path / "manifest.json").read_text())["files"]
    assert sorted([*listed, "manifest.json"]) == sorted(tree(made.path))
    for name, entry in listed.items():
        assert (made.path / name).stat().st_size == entry["size"]
