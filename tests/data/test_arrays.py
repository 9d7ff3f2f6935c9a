from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from poise.data.decode import Pixels, Unusable
from poise.data.finding import find_source
from poise.data.sources import Source
from poise.errors import DataError

from .photos import listed, pixels

# n images, h height, w width, c channels


def opened(path: Path, tmp_path: Path) -> Source:
    source = find_source(path, 64)
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    source.unpack(work)
    return source


def image_of(source: Source, index: int) -> Pixels:
    data = source.read(f"{index:09d}")
    assert isinstance(data, np.ndarray)
    return data


IMAGES = np.stack([pixels(8, 12, 3, seed) for seed in range(5)])  # [n, h, w, c]


@pytest.mark.parametrize(
    "stored",
    [
        IMAGES,
        IMAGES.transpose(0, 3, 1, 2),
        IMAGES / 255,
        (IMAGES / 127.5 - 1).astype(np.float32),
        IMAGES.astype(np.uint16) * 257,
        IMAGES.astype(np.int64),
        np.asfortranarray(IMAGES),
    ],
    ids=["uint8", "channels first", "0 to 1", "-1 to 1", "16 bits", "int64", "fortran"],
)
@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_an_array_gives_its_images_however_they_are_stored(
    tmp_path: Path, stored: NDArray[Any], kind: str
) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "npy":
        np.save(path, stored)
    else:
        np.savez_compressed(path, y=np.arange(5), pictures=stored)
    source = opened(path, tmp_path)
    assert listed(source) == {f"{index:09d}": "" for index in range(5)}
    assert source.channels == 3
    for index in range(5):
        assert (image_of(source, index) == IMAGES[index]).all()
    source.close()


def test_gray_arrays_have_one_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGES[..., 0])
    source = opened(tmp_path / "a.npy", tmp_path)
    assert source.channels == 1
    assert (image_of(source, 2)[..., 0] == IMAGES[2, ..., 0]).all()
    source.close()


class Canary:
    """Runs code when it is unpickled: makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_an_array_of_objects_is_refused_and_never_unpickled(tmp_path: Path, kind: str) -> None:
    canary = tmp_path / "canary"
    objects = np.array([[[Canary(canary)] * 4] * 4], dtype=object)
    file = io.BytesIO()
    (np.save if kind == "npy" else np.savez)(file, objects)
    (tmp_path / f"a.{kind}").write_bytes(file.getvalue())
    with pytest.raises(DataError, match="holds Python objects, which can run code"):
        find_source(tmp_path / f"a.{kind}", 64)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 5)), r"has the shape \[5, 5\], expected \[n, h, w\]"),
        (np.zeros((64, 64, 3)), r"has the shape \[64, 64, 3\], expected"),
        (np.zeros((5, 8, 8, 2)), r"has the shape \[5, 8, 8, 2\], expected"),
        (np.zeros((5, 0, 8, 3)), r"has the shape \[5, 0, 8, 3\], expected"),
        (np.array(["a"]), "expected numbers"),
        (np.zeros((5, 8, 8), complex), "expected numbers"),
    ],
)
def test_an_array_that_cannot_be_images_is_refused(
    tmp_path: Path, array: NDArray[Any], message: str
) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(DataError, match=message):
        find_source(tmp_path / "a.npy", 64)


def test_values_out_of_every_known_range_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.linspace(-5, 5, 320).reshape(5, 8, 8))
    with pytest.raises(DataError, match=r"values from -5 to 5, expected \[0, 1\]"):
        opened(tmp_path / "a.npy", tmp_path)


def test_an_image_with_nan_is_refused_alone(tmp_path: Path) -> None:
    array = IMAGES / 255
    array[1, 0, 0, 0] = np.nan
    np.save(tmp_path / "a.npy", array)
    source = opened(tmp_path / "a.npy", tmp_path)
    with pytest.raises(Unusable, match="not finite"):
        image_of(source, 1)
    assert (image_of(source, 2) == IMAGES[2]).all()
    source.close()


def test_an_npz_without_one_array_of_images_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", p=IMAGES, q=IMAGES)
    with pytest.raises(DataError, match="holds p, q: expected one array of images"):
        find_source(tmp_path / "a.npz", 64)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_broken_array_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x93NUMPY\1\0")
    with pytest.raises(DataError, match="is not a NumPy file that can be read"):
        find_source(tmp_path / name, 64)


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_an_array_file_that_was_cut_short_or_damaged_is_refused_in_words(
    tmp_path: Path, kind: str
) -> None:
    """Its header is whole, so it is found out when the array is opened."""
    path = tmp_path / f"a.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (50, 16, 16, 3), dtype=np.uint8)
    if kind == "npy":
        np.save(path, noise)
        path.write_bytes(path.read_bytes()[:-1000])
    else:
        np.savez_compressed(path, images=noise)
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 64] = bytes(64)
        path.write_bytes(data)
    with pytest.raises(DataError, match=r"is damaged or cut short: .* Copy it again"):
        opened(path, tmp_path)
