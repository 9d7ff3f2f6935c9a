from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from poise.data.options import PrepareOptions
from poise.data.prepare import fingerprint_of, prepare
from poise.errors import DataError, InputError, OptionError
from poise.session import prepared_path

from .photos import SMALL, encoded, fill, lines, photo, pixels, tree, untouched

# n images, h height, w width, c channels


# What comes out


def test_a_folder_of_mixed_images_needs_no_option(photos: Path, tmp_path: Path) -> None:
    prepared = prepare(photos, tmp_path / "a.poise", PrepareOptions())
    want = PrepareOptions().target, 3, 20
    assert (prepared.size, prepared.channels, len(prepared)) == want
    assert "Found 20, used 20, skipped 0." in prepared.report


def test_the_manifest_tells_of_each_image_its_source_checksum_and_crop(
    photos: Path, tmp_path: Path
) -> None:
    prepared = prepare(photos, tmp_path / "a.poise", SMALL)
    images = lines(prepared, "images.jsonl")
    assert [image["index"] for image in images] == list(range(20))
    names = [image["name"] for image in images]
    assert names == sorted(names)
    assert {f"{name}": image["sha256"] for name, image in zip(names, images, strict=True)} == tree(
        photos
    )
    assert all(image["original"] == [24, 30] for image in images)
    assert all(image["crop"] == [3, 0, 27, 24] for image in images)


def test_each_prepared_image_is_the_one_it_is_named_after(photos: Path, tmp_path: Path) -> None:
    prepared = prepare(photos, tmp_path / "a.poise", SMALL)
    for image in lines(prepared, "images.jsonl"):
        with Image.open(photos / image["name"]) as original:
            plain = original.resize((16, 16), Image.Resampling.LANCZOS, tuple(image["crop"]))
        (pixels,) = prepared.gather(np.array([image["index"]]))
        assert np.abs(pixels.astype(int) - np.asarray(plain).astype(int)).max() <= 2


def test_the_users_folder_is_only_read(photos: Path, tmp_path: Path) -> None:
    before = tree(photos), untouched(photos)
    prepare(photos, tmp_path / "a.poise", SMALL)
    assert (tree(photos), untouched(photos)) == before


def test_the_same_images_give_the_same_bytes_wherever_and_in_processes(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", 210, 8, 8)
    one = prepare(photos, tmp_path / "a.poise", SMALL, workers=1)
    two = prepare(photos, tmp_path / "b.poise", SMALL, workers=2)
    assert tree(one.path) == tree(two.path)


def test_a_zip_a_folder_and_an_array_of_the_same_images_agree(tmp_path: Path) -> None:
    x = np.stack([pixels(20, 20, 3, seed) for seed in range(6)])
    np.savez(tmp_path / "x.npz", images=x)
    for number, image in enumerate(x):
        (tmp_path / "folder").mkdir(exist_ok=True)
        Image.fromarray(image).save(tmp_path / "folder" / f"{number}.png")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "folder")
    sources = [tmp_path / "x.npz", tmp_path / "folder", tmp_path / "packed.zip"]
    sets = [prepare(source, tmp_path / f"{source.stem}.poise", SMALL) for source in sources]
    assert len({prepared.fingerprint for prepared in sets}) == 1
    assert not (sets[0].path / "work").exists()


def test_progress_ends_at_all(photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    prepare(photos, tmp_path / "a.poise", SMALL, progress=lambda *now: seen.append(now))
    assert seen[0] == (0, 20)
    assert seen[-1] == (20, 20)


# Gray or colour


def test_gray_images_get_one_channel_and_the_report_says_so(tmp_path: Path) -> None:
    (tmp_path / "gray").mkdir()
    for seed in range(4):
        photo(20, 20, seed).convert("L").convert("RGB").save(tmp_path / "gray" / f"{seed}.png")
    prepared = prepare(tmp_path / "gray", tmp_path / "a.poise", SMALL)
    assert prepared.channels == 1
    assert "all of 4 images looked at are gray" in prepared.report


def test_one_image_in_colour_makes_all_of_them_colour(tmp_path: Path) -> None:
    (tmp_path / "mixed").mkdir()
    for seed in range(4):
        photo(20, 20, seed).convert("L").save(tmp_path / "mixed" / f"{seed}.png")
    photo(20, 20).save(tmp_path / "mixed" / "colour.png")
    assert prepare(tmp_path / "mixed", tmp_path / "a.poise", SMALL).channels == 3


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_can_be_asked_for(photos: Path, tmp_path: Path, channels: Any) -> None:
    options = PrepareOptions(size="16", channels=channels)
    prepared = prepare(photos, tmp_path / "a.poise", options)
    assert prepared.gather(np.arange(3)).shape == (3, 16, 16, channels)


# Held out


def test_twins_are_named_and_fall_on_one_side(tmp_path: Path) -> None:
    for part in ("a", "b", "c"):
        fill(tmp_path / "photos" / part, 8)
    prepared = prepare(
        tmp_path / "photos", tmp_path / "a.poise", PrepareOptions("16", holdout=0.35)
    )
    images = lines(prepared, "images.jsonl")
    sides = [{images[i]["sha256"] for i in side} for side in (prepared.training, prepared.held_out)]
    assert not sides[0] & sides[1]
    assert len(prepared.held_out) == 6  # of 8 wanted, in twins of 3
    assert "Warning: 16 images repeat another byte for byte" in prepared.report
    assert "a/part 0/0.png = b/part 0/0.png = c/part 0/0.png" in prepared.report


def test_what_is_held_out_depends_on_content_not_on_names(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", 40)
    shutil.copytree(photos, tmp_path / "renamed")
    for number, path in enumerate(sorted((tmp_path / "renamed").rglob("*.*"))):
        path.rename(path.with_name(f"{97 * number % 40}.x"))
    held = []
    for folder in (photos, tmp_path / "renamed"):
        prepared = prepare(folder, tmp_path / f"{folder.name}.poise", SMALL)
        images = lines(prepared, "images.jsonl")
        held.append({images[index]["sha256"] for index in prepared.held_out})
    assert held[0] == held[1]
    assert len(held[0]) == 2


def test_one_image_at_least_is_held_out_and_never_all(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(9):  # one image eight times, and another
        photo(seed=number // 8).save(tmp_path / "photos" / f"{number}.png")
    prepared = prepare(tmp_path / "photos", tmp_path / "a.poise", SMALL)
    assert list(prepared.held_out) == [8]


# A limit


def test_a_limit_takes_a_fixed_even_sample(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", 60, 8, 8)
    names = []
    for limit in (10, 20):
        options = PrepareOptions(size="16", limit=limit)
        prepared = prepare(photos, tmp_path / f"{limit}.poise", options)
        names.append({image["name"] for image in lines(prepared, "images.jsonl")})
        assert len(prepared) == limit
    assert names[0] < names[1]
    assert len({name.split("/")[0] for name in names[0]}) == 3


# Again


def test_a_second_time_nothing_is_done(photos: Path, tmp_path: Path) -> None:
    first = prepare(photos, tmp_path / "a.poise", SMALL)
    before = untouched(first.path)
    again = prepare(photos, tmp_path / "a.poise", PrepareOptions(size="16x16"))
    assert again.fingerprint == first.fingerprint
    assert untouched(first.path) == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (PrepareOptions(size="32"), "size 16x16 instead of 32x32"),
        (PrepareOptions(size="16", fit="pad"), "fit crop instead of pad"),
        (SMALL, "from other images, or they changed since"),
    ],
)
def test_a_set_of_other_options_or_images_is_never_overwritten(
    photos: Path, tmp_path: Path, change: PrepareOptions, why: str
) -> None:
    first = prepare(photos, tmp_path / "a.poise", SMALL)
    if change == SMALL:
        (photos / "new.png").write_bytes(encoded(photo(seed=99)))
    before = tree(first.path)
    with pytest.raises(DataError, match=f"was prepared otherwise: {why}. Choose another name"):
        prepare(photos, tmp_path / "a.poise", change)
    assert tree(first.path) == before


@pytest.mark.parametrize("name", ["a.poise", "a.poise.part"])
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_not_ours_is_never_touched(
    photos: Path, tmp_path: Path, name: str, kind: str
) -> None:
    if kind == "folder":
        (tmp_path / name).mkdir()
        (tmp_path / name / "thesis.txt").write_text("years of work")
    else:
        (tmp_path / name).write_text("years of work")
    before = tree(tmp_path)
    with pytest.raises(DataError, match=r"Choose another name|Move it away"):
        prepare(photos, tmp_path / "a.poise", SMALL)
    assert tree(tmp_path) == before


def test_a_set_is_never_made_inside_its_own_source(photos: Path) -> None:
    before = tree(photos)
    with pytest.raises(DataError, match="lies in the folder of images"):
        prepare(photos, photos / "sets" / "a.poise", SMALL)
    assert tree(photos) == before


def test_a_prepared_set_is_returned_as_it_is(photos: Path, tmp_path: Path) -> None:
    made = prepare(photos, tmp_path / "a.poise", SMALL)
    for options in (PrepareOptions(), SMALL, PrepareOptions(size="8")):
        same = prepare(made.path, tmp_path / "b.poise", options)
        assert same.fingerprint == made.fingerprint
    assert not (tmp_path / "b.poise").exists()
    with pytest.raises(DataError, match="holds 4x4, 8x8, 16x16, not 32x32"):
        prepare(made.path, tmp_path / "b.poise", PrepareOptions(size="32"))
    with pytest.raises(DataError, match="has 3 channels, not 1"):
        prepare(made.path, tmp_path / "b.poise", PrepareOptions(channels=1))


def test_the_key_is_known_before_anything_is_made(photos: Path, tmp_path: Path) -> None:
    key = fingerprint_of(photos, SMALL)
    assert prepare(photos, tmp_path / "a.poise", SMALL).key == key
    assert fingerprint_of(photos, PrepareOptions(size="32")) != key


# Options


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": "63"}, "no base fits 63x63"),
        ({"size": "big"}, "a size is written 64 or 64x96"),
        ({"channels": 2}, "channels must be 1, 3 or 4, got 2"),
        ({"fit": "zoom"}, 'fit must be crop, pad or stretch, got "zoom"'),
        ({"background": "white"}, 'background is written #rrggbb, got "white"'),
        ({"limit": 1}, "limit must be at least 2 images, got 1"),
        ({"holdout": 0.9}, r"holdout must be over 0 and at most 0.5, got 0\.9"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message) as caught:
        PrepareOptions(**fields)
    assert isinstance(caught.value, InputError)


# Cost


def test_preparing_does_not_load_torch() -> None:
    program = "import sys, poise.data.prepare; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_folder_whose_name_is_no_text_is_prepared_under_a_name_of_its_own(tmp_path: Path) -> None:
    names = []
    for byte in (b"\xff", b"\xfe"):
        folder = fill(tmp_path / os.fsdecode(byte + b"photos"), 4)
        path = prepared_path(tmp_path / "sets", str(folder), PrepareOptions(size="8"))
        names.append(prepare(folder, path, PrepareOptions(size="8"), workers=1).path.name)
    assert len(set(names)) == 2
