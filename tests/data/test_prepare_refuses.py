from __future__ import annotations

import os
from pathlib import Path

import pytest

from poise.data.prepare import prepare
from poise.errors import DataError

from .photos import SMALL, encoded, fill, lines, photo

# n images, h height, w width, c channels


# What cannot be used


def test_every_file_that_is_skipped_is_listed_with_its_reason(photos: Path, tmp_path: Path) -> None:
    whole = encoded(photo(60, 60), "JPEG")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "notes.png").write_text("not an image at all")
    (photos / "jpeg named.png").write_bytes(whole)
    os.mkfifo(photos / "pipe.png")
    (photos / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    prepared = prepare(photos, tmp_path / "a.poise", SMALL)
    skipped = {entry["name"]: entry["reason"] for entry in lines(prepared, "skipped.jsonl")}
    assert skipped.keys() == {
        *("empty.jpg", "half.jpg", "notes.png", "pipe.png", os.fsdecode(b"caf\xe9.png"))
    }
    assert "Found 26, used 21, skipped 5." in prepared.report
    assert "  half.jpg: truncated: " in prepared.report
    assert "  caf\\udce9.png: not an image" in prepared.report


def test_the_report_names_twenty_and_counts_the_rest(photos: Path, tmp_path: Path) -> None:
    for number in range(33):
        (photos / f"{number}.txt").write_text("text")
    report = prepare(photos, tmp_path / "a.poise", SMALL).report
    assert report.count("not an image") == 20
    assert "and 13 more, listed in skipped.jsonl" in report


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "too few usable images: found 0 files, used 0, skipped 0; at least 2"),
        ({"a.txt": b"a", "b.txt": b"b"}, "found 2 files, used 0, skipped 2"),
        ({"a.png": encoded(photo())}, "found 1 file, used 1, skipped 0"),
        (dict.fromkeys("abc", encoded(photo())), "too few different images: found 3 files, used 3"),
    ],
    ids=["empty", "text", "one", "one three times"],
)
def test_too_few_images_are_refused_with_the_count(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    (tmp_path / "few").mkdir()
    for name, data in files.items():
        (tmp_path / "few" / name).write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        prepare(tmp_path / "few", tmp_path / "a.poise", SMALL)
    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["few"]
    if "a.txt" in files:
        assert "\n  a.txt: not an image" in str(caught.value)


def test_warnings_count_what_may_disappoint(tmp_path: Path) -> None:
    fill(tmp_path / "photos", 4, 8, 8)
    fill(tmp_path / "photos" / "wide", 3, 20, 90)
    report = prepare(tmp_path / "photos", tmp_path / "a.poise", SMALL).report
    assert "Warning: 7 images are few" in report
    assert "Warning: 4 of 7 images are smaller than 16x16 and were enlarged" in report
    assert "Warning: 3 images lose over half of their area to the crop" in report
    assert "Originals: smallest 8x8, median 8x8, largest 20x90." in report
